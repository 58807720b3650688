package uring

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver"
)

// Many goroutines post and wake; each waits until its post was seen, so that the core sleeps in between.
// A lost wake-up shows as a Wait that sleeps to its end although something was posted.
func TestNoWakeIsLost(t *testing.T) {
	for name, patient := range map[string]bool{"sleeping core": true, "bursts": false} {
		t.Run(name, func(t *testing.T) {
			onThread(t, Config{}, func(d *Driver) {
				const posters, posts = 4, 3000
				var posted, seen atomic.Int64
				var wg sync.WaitGroup
				for range posters {
					wg.Go(func() {
						for range posts {
							n := posted.Add(1)
							d.Wake()
							for patient && seen.Load() < n {
								runtime.Gosched()
							}
						}
					})
				}
				out := make([]driver.Completion, 8)
				for seen.Load() < posters*posts {
					before := time.Now()
					if _, err := d.Wait(out, 1, 5*time.Second); err != nil {
						t.Fatal(err)
					}
					if time.Since(before) > 4*time.Second {
						t.Errorf("lost wake-up: %d posted, %d seen", posted.Load(), seen.Load())
					}
					seen.Store(posted.Load())
				}
				wg.Wait()
				if calls := d.Counters().WakeCalls; calls > posters*posts || patient && calls == 0 {
					t.Errorf("%d calls for %d wake-ups", calls, posters*posts)
				}
			})
		})
	}
}

func TestWakeOfAnAwakeCoreIsFree(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		out := make([]driver.Completion, 8)
		for range 10 {
			d.Wake()
		}
		start := time.Now()
		if n, err := d.Wait(out, 1, 20*time.Second); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("Wait slept %v although it was woken before", took)
		}
		if calls := d.Counters().WakeCalls; calls != 0 {
			t.Errorf("%d system calls for a core that was awake", calls)
		}
		// The wake-up is used up: the next Wait sleeps.
		start = time.Now()
		if _, err := d.Wait(out, 1, 20*time.Millisecond); err != nil || time.Since(start) < 20*time.Millisecond {
			t.Errorf("%v, slept %v", err, time.Since(start))
		}
	})
}

func TestWakeDuringAndAfterClose(t *testing.T) {
	var late *Driver
	var wg sync.WaitGroup
	var stop atomic.Bool
	onThread(t, Config{}, func(d *Driver) {
		late = d
		for range 4 {
			wg.Go(func() {
				for !stop.Load() {
					d.Wake()
				}
			})
		}
		for range 100 {
			if _, err := d.Wait(make([]driver.Completion, 8), 1, time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
	})
	late.Wake()
	stop.Store(true)
	wg.Wait()
	if err := late.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// The poll that carries wake-ups may end (a full completion queue ends it): it is armed again.
func TestWakePollIsArmedAgain(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		out := make([]driver.Completion, 8)
		d.Wait(out, 0, 0)
		if !d.wake.armed {
			t.Fatal("not armed")
		}
		d.Submit(driver.Op{Code: driver.Cancel, Token: token(kindCancel, 1), Target: driver.Token(wakeToken)})
		await(t, d, "cancel", func(c driver.Completion) bool { return c.Token == token(kindCancel, 1) && c.Res == 0 })
		done := make(chan struct{})
		var woken atomic.Bool
		go func() {
			defer close(done)
			for !woken.Load() {
				d.Wake()
				runtime.Gosched()
			}
		}()
		for d.Counters().WakeCalls == 0 {
			if _, err := d.Wait(out, 1, 5*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		woken.Store(true)
		<-done
		if !d.wake.armed {
			t.Error("the poll was not armed again")
		}
	})
}
