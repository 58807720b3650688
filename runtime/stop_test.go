package coreruntime

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func openFDs(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func threads(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// A thousand tasks that swallow every error and every panic are gone after Stop.
func TestStopEndsTasksThatSwallowEverything(t *testing.T) {
	onRealDrivers(t, Config{Cores: 2, DrainTimeout: 200 * time.Millisecond}, func(t *testing.T, rt *Runtime) {
		const tasks = 1000
		var mu sync.Mutex
		ended, canceled := 0, 0
		for i := range rt.cores {
			on(t, rt, i, func(c *Core) error {
				for range tasks / len(rt.cores) {
					c.Go("stubborn", func() {
						defer func() { mu.Lock(); ended++; mu.Unlock() }()
						for first := true; ; {
							func() {
								defer func() { _ = recover() }()
								if err := c.Sleep(time.Hour); err != nil && first {
									mu.Lock()
									canceled++
									mu.Unlock()
									first = false
									panic(err)
								}
							}()
						}
					})
				}
				return c.Sleep(time.Millisecond) // all of them park
			})
		}
		if err := rt.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if ended != tasks || canceled != tasks {
			t.Fatalf("of %d tasks %d were canceled and %d ended", tasks, canceled, ended)
		}
	})
}

func TestStopLetsTasksCleanUpUntilTheDeadline(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1, DrainTimeout: 5 * time.Second}, func(t *testing.T, rt *Runtime) {
		cleaned := false
		on(t, rt, 0, func(c *Core) error {
			c.Go("cleans up", func() {
				if err := c.Sleep(time.Hour); !errors.Is(err, ErrStopped) || !errors.Is(err, context.Canceled) {
					t.Errorf("Sleep = %v", err)
				}
				cleaned = c.Sleep(5*time.Millisecond) == nil
			})
			return nil
		})
		begin := time.Now()
		if err := rt.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if !cleaned || time.Since(begin) > 4*time.Second {
			t.Fatalf("cleaned up: %v, in %v", cleaned, time.Since(begin))
		}
	})
}

func TestStopNamesATaskThatCannotBeEnded(t *testing.T) {
	for name, open := range realOpeners(Config{}) {
		t.Run(name, func(t *testing.T) {
			rt, err := StartOn(context.Background(), Config{Cores: 1, DrainTimeout: time.Millisecond, StallMax: -1, Logger: quiet}, open)
			if err != nil {
				t.Fatal(err)
			}
			release, running := make(chan struct{}), make(chan struct{})
			if err := rt.Core(0).Post(func() {
				rt.Core(0).Go("never parks", func() { close(running); <-release })
			}); err != nil {
				t.Fatal(err)
			}
			<-running
			var stuck *StuckError
			err = rt.Stop(context.Background())
			if !errors.As(err, &stuck) || stuck.Task != "never parks" || !strings.Contains(stuck.Stack, "TestStopNamesATaskThatCannotBeEnded") {
				t.Fatalf("Stop = %v", err)
			}
			close(release)
			<-rt.Done() // it ends once the task does
		})
	}
}

func TestStopLeavesNothing(t *testing.T) {
	for name, open := range realOpeners(Config{}) {
		t.Run(name, func(t *testing.T) {
			fds := openFDs(t)
			for range 20 {
				rt, err := StartOn(context.Background(), Config{Cores: 3, Logger: quiet}, open)
				if err != nil {
					t.Fatal(err)
				}
				if err := rt.Run(func(c *Core) error { return c.Sleep(time.Millisecond) }); err != nil {
					t.Fatal(err)
				}
				if err := rt.Stop(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			if now := openFDs(t); now > fds+1 { // the Go poller may have opened one of its own
				t.Errorf("%d descriptors are open, there were %d", now, fds)
			}
			if n := threads(t); n > 40 {
				t.Errorf("%d threads are left after 60 cores", n)
			}
		})
	}
}

func TestContextOfStartStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	rt, err := StartOn(ctx, Config{Cores: 1, Logger: quiet}, realOpeners(Config{})["epoll"])
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-rt.Done()
}

func TestRunReturnsTheTasksErrors(t *testing.T) {
	onRealDrivers(t, Config{Cores: 2}, func(t *testing.T, rt *Runtime) {
		failure := errors.New("failure")
		err := rt.Run(func(c *Core) error {
			if c.ID() == 1 {
				return failure
			}
			panic("core 0")
		})
		var p *PanicError
		if !errors.Is(err, failure) || !errors.As(err, &p) {
			t.Fatalf("Run = %v", err)
		}
	})
}

func TestFailedStartLeavesNothing(t *testing.T) {
	fds := openFDs(t)
	good := realOpeners(Config{})["epoll"]
	failure := errors.New("no more cores")
	_, err := StartOn(context.Background(), Config{Cores: 3, Logger: quiet}, func(i int) (d driverT, err error) {
		if i == 2 {
			return nil, failure
		}
		return good(i)
	})
	if !errors.Is(err, failure) || !strings.Contains(err.Error(), "core 2 of 3") {
		t.Fatalf("Start = %v", err)
	}
	if now := openFDs(t); now > fds {
		t.Fatalf("%d descriptors are open, there were %d", now, fds)
	}
}

// A task that begins when everything is being ended must not park for ever.
func TestTasksStartedWhileAbortingEnd(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1, DrainTimeout: time.Millisecond}, func(t *testing.T, rt *Runtime) {
		late := &parkRun{c: rt.Core(0)}
		on(t, rt, 0, func(c *Core) error {
			c.Go("stubborn", func() {
				defer func() { c.Start("late", late) }() // runs in Goexit
				for {
					_ = c.Sleep(time.Hour)
				}
			})
			return c.Yield()
		})
		if err := rt.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
}

// pair is a resident that makes its partner leave, as one end of a relay does.
type pair struct {
	Resident
	c       *Core
	partner *pair
	left    bool
}

func (p *pair) leave() {
	if !p.left {
		p.left = true
		p.c.Leave(&p.Resident)
		p.partner.leave()
	}
}

func (p *pair) Drain(time.Duration) { p.leave() }
func (p *pair) Abort(time.Duration) { p.leave() }

func TestResidentsMayTakeOthersAlong(t *testing.T) {
	c := manual(t, Config{})
	all := make([]*pair, 6)
	for i := range all {
		all[i] = &pair{c: c}
	}
	for i, p := range all {
		p.partner = all[i^1]
		c.Admit(&p.Resident, p)
	}
	c.BeginDrain()
	c.Turn(c.now)
	if c.residents.count != 0 || c.residents.head != nil {
		t.Errorf("%d residents are left", c.residents.count)
	}
}
