package coreruntime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver/sim"
)

func TestTasksRunInOrderAndInTheirTurn(t *testing.T) {
	c := manual(t, Config{})
	var got []int
	for i := range 5 {
		c.Go("order", func() { got = append(got, i) })
	}
	if len(got) != 0 {
		t.Fatal("Go ran its task at once")
	}
	c.Turn(0)
	if fmt.Sprint(got) != "[0 1 2 3 4]" {
		t.Fatalf("ran %v", got)
	}
}

func TestParkAndWake(t *testing.T) {
	c := manual(t, Config{})
	var w Waiter
	var steps []string
	c.Go("parker", func() {
		steps = append(steps, "before")
		if err := w.Park(c); err != nil {
			t.Error(err)
		}
		steps = append(steps, "after")
	})
	settle(t, c)
	if !w.Parked() || fmt.Sprint(steps) != "[before]" {
		t.Fatalf("parked %v, steps %v", w.Parked(), steps)
	}
	w.Wake()
	w.Wake() // nobody is parked any more
	settle(t, c)
	if fmt.Sprint(steps) != "[before after]" {
		t.Fatalf("steps %v", steps)
	}
}

func TestWaitReturnsHowATaskEnded(t *testing.T) {
	failure := errors.New("failure")
	for _, tt := range []struct {
		name string
		fn   func() error
		is   error
	}{
		{"nil", func() error { return nil }, nil},
		{"error", func() error { return failure }, failure},
		{"panic with an error", func() error { panic(failure) }, failure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := manual(t, Config{})
			task := c.GoContext(context.Background(), "ends", tt.fn)
			err := errors.New("not set")
			c.Go("waits", func() { err = task.Wait() })
			settle(t, c)
			if !errors.Is(err, tt.is) || (tt.is == nil) != (err == nil) {
				t.Fatalf("Wait = %v", err)
			}
		})
	}
}

func TestPanicEndsItsTaskOnly(t *testing.T) {
	c := manual(t, Config{})
	ran := false
	bad := c.Go("bad", func() { panic("peer's fault") })
	c.Go("good", func() { ran = true })
	var err error
	c.Go("waits", func() { err = bad.Wait() })
	settle(t, c)
	var p *PanicError
	if !ran || !errors.As(err, &p) || p.Task != "bad" || p.Value != "peer's fault" || len(p.Stack) == 0 {
		t.Fatalf("good task ran: %v, error %v", ran, err)
	}
}

func TestGoexitReentersTheLoop(t *testing.T) {
	const rounds = 10_000
	onRealDrivers(t, Config{Cores: 1}, func(t *testing.T, rt *Runtime) {
		ended := 0
		on(t, rt, 0, func(c *Core) error {
			for range rounds {
				task := c.Go("exits", func() {
					defer func() { ended++ }()
					runtime.Goexit()
				})
				if err := task.Wait(); !errors.Is(err, ErrGoexit) {
					return fmt.Errorf("Wait = %w", err)
				}
			}
			return nil
		})
		if ended != rounds {
			t.Fatalf("%d of %d tasks ended", ended, rounds)
		}
	})
}

// What Goexits leave on a stack is given back from time to time: a server whose handlers end so must not grow, nor run
// into the Go runtime's limit of 1 GB for a stack.
func TestGoexitsDoNotGrowTheStack(t *testing.T) {
	const rounds, growthMax = 30 * exitsMax, 4 << 20
	onRealDrivers(t, Config{Cores: 1}, func(t *testing.T, rt *Runtime) {
		before, ended := stackBytes(), 0
		on(t, rt, 0, func(c *Core) error {
			for range rounds {
				if err := c.Go("exits", func() { defer func() { ended++ }(); runtime.Goexit() }).Wait(); !errors.Is(err, ErrGoexit) {
					return fmt.Errorf("Wait = %w", err)
				}
			}
			return c.Check("the loop")
		})
		if growth := stackBytes() - before; ended != rounds || growth > growthMax {
			t.Errorf("%d of %d tasks ended; the stacks have grown by %d bytes", ended, rounds, growth)
		}
	})
}

func stackBytes() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// The Go runtime gives the g of a goroutine that has ended to the next one that starts, on any thread. By the time a
// Goexit has left its coroutine nobody must own the core by that g.
func TestGoexitLeavesTheCoreToItsLoop(t *testing.T) {
	owner := make(chan bool)
	go func() {
		c := NewManual(Config{Logger: quiet}, sim.New(1).Driver(0, sim.Config{}))
		defer func() { owner <- c.owner.Load() == c.loopG && !c.InTask() }()
		c.Go("exits", runtime.Goexit)
		c.Turn(0)
	}()
	if !<-owner {
		t.Error("after a Goexit the core belongs to a goroutine that is gone")
	}
}

func TestSpawnJoins(t *testing.T) {
	c := manual(t, Config{})
	j := Spawn(c, "sum", func() (int, error) {
		if err := c.Sleep(time.Second); err != nil {
			return 0, err
		}
		return 42, io.EOF
	})
	var v int
	var err error
	c.Go("waits", func() { v, err = j.Wait() })
	settle(t, c)
	c.Turn(2 * time.Second)
	settle(t, c)
	if v != 42 || err != io.EOF {
		t.Fatalf("Wait = %d, %v", v, err)
	}
}

func TestCancelIsDeliveredOnce(t *testing.T) {
	c := manual(t, Config{})
	cause := errors.New("cause")
	var first, second error
	task := c.Go("canceled", func() {
		first = c.Sleep(time.Hour)
		second = c.Sleep(time.Second)
	})
	settle(t, c)
	task.Cancel(cause)
	settle(t, c)
	c.Turn(2 * time.Second)
	settle(t, c)
	if !errors.Is(first, cause) || second != nil {
		t.Fatalf("first park %v, second %v", first, second)
	}
}

func TestCancelBeforeParkIsNotLost(t *testing.T) {
	c := manual(t, Config{})
	var err error
	task := c.Go("canceled", func() { err = c.Sleep(time.Hour) })
	task.Cancel(nil)
	settle(t, c)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("Sleep = %v", err)
	}
}

func TestContextCancelsItsTask(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1}, func(t *testing.T, rt *Runtime) {
		ctx, cancel := context.WithCancelCause(context.Background())
		cause := errors.New("cause")
		on(t, rt, 0, func(c *Core) error {
			task := c.GoContext(ctx, "child", func() error { return c.Sleep(time.Hour) })
			if _, err := Offload(c, func() (int, error) { cancel(cause); return 0, nil }); err != nil {
				return err
			}
			if err := task.Wait(); !errors.Is(err, cause) {
				return fmt.Errorf("child ended with %w", err)
			}
			return nil
		})
	})
}

func TestWithTimeout(t *testing.T) {
	c := manual(t, Config{})
	var slow, fast, later error
	c.Go("timed", func() {
		slow = c.WithTimeout(time.Second, func() error { return c.Sleep(time.Hour) })
		fast = c.WithTimeout(time.Second, func() error { return nil })
		later = c.Sleep(10 * time.Second)
	})
	settle(t, c)
	for range 30 {
		c.Turn(c.now + 500*time.Millisecond)
	}
	settle(t, c)
	if !errors.Is(slow, context.DeadlineExceeded) || fast != nil || later != nil {
		t.Fatalf("slow %v, fast %v, later %v", slow, fast, later)
	}
}

func TestYieldLetsOthersGoFirst(t *testing.T) {
	c := manual(t, Config{})
	var got []string
	c.Go("a", func() {
		got = append(got, "a1")
		if err := c.Yield(); err != nil {
			t.Error(err)
		}
		got = append(got, "a2")
	})
	c.Go("b", func() { got = append(got, "b") })
	c.Turn(0)
	if fmt.Sprint(got) != "[a1 b]" {
		t.Fatalf("first turn: %v", got)
	}
	c.Turn(0)
	if fmt.Sprint(got) != "[a1 b a2]" {
		t.Fatalf("second turn: %v", got)
	}
}

func TestTickerKeepsItsPhase(t *testing.T) {
	c := manual(t, Config{})
	var at []time.Duration
	c.Go("ticks", func() {
		k := c.NewTicker(10 * time.Millisecond)
		for range 4 {
			if err := k.Wait(); err != nil {
				return
			}
			at = append(at, c.Now())
		}
	})
	for _, ms := range []int{0, 10, 20, 45, 50} { // the tick at 30 is late, the one at 40 is dropped
		c.Turn(time.Duration(ms) * time.Millisecond)
	}
	if fmt.Sprint(at) != "[10ms 20ms 45ms 50ms]" {
		t.Fatalf("ticks at %v", at)
	}
}

func TestMisuseIsAnErrorAndHarmless(t *testing.T) {
	onRealDrivers(t, Config{Cores: 2}, func(t *testing.T, rt *Runtime) {
		c := rt.Core(0)
		for name, err := range map[string]error{
			"Sleep": c.Sleep(time.Hour), "Yield": c.Yield(), "Check": c.Check("X"),
			"Park": (&Waiter{}).Park(c), "Lock": (&Mutex{}).Lock(c),
		} {
			if !errors.Is(err, ErrWrongGoroutine) {
				t.Errorf("%s from a foreign goroutine: %v", name, err)
			}
		}
		on(t, rt, 0, func(c *Core) error {
			if err := rt.Core(1).Sleep(0); !errors.Is(err, ErrWrongGoroutine) {
				return fmt.Errorf("a task on another core: %v", err)
			}
			if err := rt.Stop(context.Background()); !errors.Is(err, ErrWrongGoroutine) {
				return fmt.Errorf("Stop in a task: %v", err)
			}
			if err := rt.Run(nil); !errors.Is(err, ErrWrongGoroutine) {
				return fmt.Errorf("Run in a task: %v", err)
			}
			return nil
		})
	})
}

func TestPoolIsCapped(t *testing.T) {
	c := manual(t, Config{TasksIdleMax: 3})
	var w [10]Waiter
	for i := range w {
		c.Go("parks", func() { _ = w[i].Park(c) })
	}
	settle(t, c)
	for i := range w {
		w[i].Wake()
	}
	settle(t, c)
	if c.idleCount != 3 || c.tasks.count != 0 {
		t.Fatalf("%d idle coroutines, %d tasks", c.idleCount, c.tasks.count)
	}
}

type nopRun struct{ n int }

func (r *nopRun) Run() { r.n++ }

type parkRun struct {
	c *Core
	w Waiter
}

func (r *parkRun) Run() { _ = r.w.Park(r.c) }

func TestTurnsAllocateNothing(t *testing.T) {
	c := manual(t, Config{})
	run, park := &nopRun{}, &parkRun{c: c}
	now := time.Duration(0)
	for name, fn := range map[string]func(){
		"idle turn":   func() {},
		"fresh task":  func() { c.Start("nop", run) },
		"parked task": func() { c.Start("park", park); c.Turn(now); park.w.Wake() },
	} {
		fn()
		c.Turn(now)
		if n := testing.AllocsPerRun(1000, func() { now += time.Microsecond; fn(); c.Turn(now) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkFreshTask(b *testing.B) {
	c := NewManual(Config{Logger: quiet}, nopDriver{})
	run := &nopRun{}
	for b.Loop() {
		for range 32 {
			c.Start("nop", run)
		}
		c.Turn(c.now + time.Microsecond)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32, "ns/task")
}
