package coreruntime

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver"
)

// Posters that found the mailbox full by each other's attempts alone must not wait for a letter that
// nobody sends.
func TestPostersOfATinyMailboxAllGetThrough(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1, MailboxMax: 1}, func(t *testing.T, rt *Runtime) {
		for range 300 {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if err := rt.Core(0).Post(func() {}); err != nil {
						t.Error(err)
					}
				})
			}
			done := make(chan struct{})
			go func() { wg.Wait(); close(done) }()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Fatal("posters wait at an empty mailbox")
			}
		}
	})
}

// A core that stands still has a full mailbox soon. Stop must tell of it all the same.
func TestStopDoesNotWaitForRoomInAMailbox(t *testing.T) {
	cfg := Config{Cores: 2, MailboxMax: 1, DrainTimeout: 10 * time.Millisecond, StallMax: -1}
	onRealDrivers(t, cfg, func(t *testing.T, rt *Runtime) {
		hold, release := make(chan struct{}), make(chan struct{})
		if err := rt.Core(0).Post(func() { rt.Core(0).Go("stuck", func() { close(hold); <-release }) }); err != nil {
			t.Fatal(err)
		}
		<-hold
		if err := rt.Core(0).Post(func() {}); err != nil {
			t.Fatal(err)
		}
		stopped := make(chan error, 1)
		go func() { stopped <- rt.Stop(context.Background()) }()
		var stuck *StuckError
		select {
		case err := <-stopped:
			if !errors.As(err, &stuck) || stuck.Task != "stuck" {
				t.Errorf("Stop = %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Stop hangs")
		}
		close(release)
	})
}

// Metrics leaves a core out that stands still, also when its mailbox is full.
func TestMetricsDoNotWaitForRoomInAMailbox(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1, MailboxMax: 1, StallMax: -1}, func(t *testing.T, rt *Runtime) {
		hold, release := make(chan struct{}), make(chan struct{})
		if err := rt.Core(0).Post(func() { rt.Core(0).Go("stuck", func() { close(hold); <-release }) }); err != nil {
			t.Fatal(err)
		}
		<-hold
		if err := rt.Core(0).Post(func() {}); err != nil {
			t.Fatal(err)
		}
		got := make(chan Metrics, 1)
		go func() { got <- rt.Metrics() }()
		select {
		case m := <-got:
			if len(m.Cores) != 0 {
				t.Errorf("%d cores answered", len(m.Cores))
			}
		case <-time.After(5 * time.Second):
			t.Error("Metrics hangs")
		}
		close(release)
	})
}

// The Go runtime uses the g of an ended core again: whoever gets it is no core.
func TestAnEndedCoreHasNoGoroutine(t *testing.T) {
	var rt *Runtime
	onRealDrivers(t, Config{Cores: 2}, func(_ *testing.T, started *Runtime) { rt = started })
	for _, c := range rt.cores {
		if g := c.owner.Load(); g != 0 {
			t.Errorf("core %d ended and is still owned by g %#x", c.id, g)
		}
	}
}

// A core that has ended while another one drains does not stall.
func TestAnEndedCoreDoesNotStall(t *testing.T) {
	stalls := make(chan Stall, 10)
	cfg := Config{Cores: 2, StallMax: 50 * time.Millisecond, DrainTimeout: 400 * time.Millisecond, OnStall: func(s Stall) { stalls <- s }}
	onRealDrivers(t, cfg, func(t *testing.T, rt *Runtime) {
		on(t, rt, 1, func(c *Core) error {
			c.Go("slow", func() {
				for {
					_ = c.Sleep(time.Hour)
				}
			})
			return c.Yield()
		})
		if err := rt.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		for len(stalls) > 0 {
			if s := <-stalls; s.Stack == "" {
				t.Errorf("stall: %v", s)
			}
		}
	})
}

// lastWait calls late once, in the Wait that ends the last turn.
type lastWait struct {
	driver.Driver
	last bool
	late func()
}

func (d *lastWait) Wait(out []driver.Completion, min int, timeout time.Duration) (int, error) {
	if d.last {
		d.last = false
		d.late()
	}
	return d.Driver.Wait(out, min, timeout)
}

// What was posted at the last moment is served like anything else: a task that it starts ends, too, and
// so does a Run that waits for one.
func TestWhatLateLettersStartEnds(t *testing.T) {
	for name, open := range realOpeners(Config{}) {
		t.Run(name, func(t *testing.T) {
			d := &lastWait{}
			rt, err := StartOn(context.Background(), Config{Cores: 1, Logger: quiet}, func(i int) (_ driver.Driver, err error) {
				d.Driver, err = open(i)
				return d, err
			})
			if err != nil {
				t.Fatal(err)
			}
			c, ended := rt.Core(0), 0
			start := func() { // the first goes by Goexit, and must not take the second along
				for range 2 {
					c.Go("late", func() {
						defer func() { ended++ }()
						for {
							_ = c.Sleep(time.Hour)
						}
					})
				}
			}
			d.late = func() {
				if !c.finished() {
					t.Error("this is not the last turn")
				}
				if err := c.Post(start); err != nil {
					t.Error(err)
				}
			}
			on(t, rt, 0, func(*Core) error {
				c.Start("last", runFunc(func() { _ = c.Sleep(10 * time.Millisecond); d.last = true }))
				return nil
			})
			if err := rt.Stop(context.Background()); err != nil {
				t.Fatal(err)
			}
			if ended != 2 || c.tasks.count != 0 {
				t.Errorf("%d of 2 tasks ended; %d tasks are left", ended, c.tasks.count)
			}
			if err := c.Post(func() {}); !errors.Is(err, ErrStopped) {
				t.Errorf("Post = %v", err)
			}
		})
	}
}

// A core that is flooded with letters ends all the same.
func TestPostersDoNotKeepACoreAlive(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1, DrainTimeout: time.Minute}, func(t *testing.T, rt *Runtime) {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for rt.Core(0).Post(func() {}) == nil {
				}
			})
		}
		begin := time.Now()
		if err := rt.Stop(context.Background()); err != nil || time.Since(begin) > 20*time.Second {
			t.Errorf("Stop = %v after %v", err, time.Since(begin))
		}
		wg.Wait()
	})
}

// The longest duration there is means "for ever", not "at once".
func TestDurationsWithoutEnd(t *testing.T) {
	const ever = time.Duration(math.MaxInt64)
	c := manual(t, Config{})
	c.Turn(time.Second)
	woke := 0
	c.Go("sleeper", func() {
		_ = c.Sleep(ever)
		woke++
	})
	c.Go("patient", func() {
		_ = c.WithTimeout(ever, func() error { return c.Sleep(time.Hour) })
		woke++
	})
	tick := c.NewTicker(ever)
	c.Go("ticked", func() {
		_ = tick.Wait()
		woke++
	})
	settle(t, c)
	c.Turn(time.Minute)
	settle(t, c)
	if woke != 0 {
		t.Errorf("%d of 3 tasks woke after a minute", woke)
	}
	real := &Core{rt: &Runtime{epoch: time.Now().Add(-time.Hour)}}
	if at := real.Until(time.Now().AddDate(5000, 0, 0)); at < 0 {
		t.Errorf("a point in the far future is at %v", at)
	}
}

// A drain without end waits for what it drains.
func TestDrainWithoutEnd(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1, DrainTimeout: math.MaxInt64}, func(t *testing.T, rt *Runtime) {
		clean := make(chan error, 1)
		on(t, rt, 0, func(c *Core) error {
			c.Go("finishing", func() {
				_ = c.Sleep(time.Hour) // canceled by Stop
				clean <- c.Sleep(20 * time.Millisecond)
			})
			return c.Yield()
		})
		if err := rt.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-clean:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("the task was ended while it finished")
		}
	})
}

// The inner of two WithTimeout calls must not take back the outer one's cancel.
func TestNestedTimeouts(t *testing.T) {
	c := manual(t, Config{})
	var err error
	c.Go("nested", func() {
		err = c.WithTimeout(5*time.Millisecond, func() error {
			_ = c.WithTimeout(time.Hour, func() error { return c.Yield() })
			return c.Sleep(time.Minute)
		})
	})
	c.Turn(c.now)
	c.Turn(c.now + 10*time.Millisecond) // the outer limit passes while the task is ready
	settle(t, c)
	if !errors.Is(err, ErrTimeout) {
		t.Errorf("err = %v", err)
	}
}

// Parking from a goroutine that is no task would be fatal for the process.
func TestParkChecksItsCaller(t *testing.T) {
	c := manual(t, Config{})
	var w Waiter
	c.Go("task", func() {
		got := make(chan error)
		go func() { got <- w.Park(c) }()
		if err := <-got; !errors.Is(err, ErrWrongGoroutine) {
			t.Errorf("Park = %v", err)
		}
	})
	settle(t, c)
}

// A limit that runs out must neither swallow another cancel nor be met twice.
func TestTimeoutsAndCancelsAreMetOnceEach(t *testing.T) {
	c := manual(t, Config{})
	var got []error
	var task *Task
	task = c.Go("limited", func() {
		_ = c.WithTimeout(5*time.Millisecond, func() error {
			_ = c.WithTimeout(4*time.Millisecond, func() error {
				c.wheel.expire(c.now + 10*time.Millisecond)
				task.Cancel(nil) // all three find the task running
				for range 3 {
					got = append(got, c.Sleep(time.Hour))
				}
				return nil
			})
			return nil
		})
		got = append(got, c.Sleep(time.Millisecond))
	})
	settle(t, c)
	c.Turn(c.now + time.Second)
	settle(t, c)
	want := []error{ErrTaskCanceled, ErrTimeout, ErrTimeout, nil}
	if !slices.Equal(got, want) {
		t.Errorf("the parks returned %v, want %v", got, want)
	}
}

// A task that computes and yields sees its cancel.
func TestYieldSeesTheCancel(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1, DrainTimeout: time.Minute}, func(t *testing.T, rt *Runtime) {
		var seen error
		on(t, rt, 0, func(c *Core) error {
			c.Go("computes", func() {
				for seen == nil {
					seen = c.Yield()
				}
			})
			return nil
		})
		if err := rt.Stop(context.Background()); err != nil || !errors.Is(seen, ErrStopped) {
			t.Errorf("Stop = %v; Yield = %v", err, seen)
		}
	})
}

// The end of Start's context begins a stop; a Stop that is in more of a hurry must be able to shorten it.
func TestStopBringsTheEndForward(t *testing.T) {
	for name, open := range realOpeners(Config{}) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			rt, err := StartOn(ctx, Config{Cores: 2, DrainTimeout: time.Minute, Logger: quiet}, open)
			if err != nil {
				t.Fatal(err)
			}
			canceled := make(chan struct{})
			on(t, rt, 0, func(c *Core) error {
				c.Go("stubborn", func() {
					_ = c.Sleep(time.Hour)
					close(canceled)
					for {
						_ = c.Sleep(time.Hour)
					}
				})
				return c.Yield()
			})
			cancel()
			<-canceled
			hurry, done := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer done()
			begin := time.Now()
			if err := rt.Stop(hurry); err != nil || time.Since(begin) > 10*time.Second {
				t.Errorf("Stop = %v after %v", err, time.Since(begin))
			}
		})
	}
}
