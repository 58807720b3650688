package coreruntime

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/epoll"
	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/internal/driver/uring"
)

// quiet drops what tests provoke on purpose.
var quiet = slog.New(slog.DiscardHandler)

// manual returns a core on the sim driver that must leave nothing behind.
func manual(t *testing.T, cfg Config) *Core {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet
	}
	c := NewManual(cfg, sim.New(1).Driver(0, sim.Config{}))
	t.Cleanup(func() {
		if err := c.CloseManual(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// settle turns c until it would sleep.
func settle(t *testing.T, c *Core) {
	t.Helper()
	for range 1000 {
		c.Turn(c.now)
		if c.Idle() {
			return
		}
	}
	t.Fatal("the core does not come to rest")
}

// realOpeners are the drivers that the kernel stands behind.
func realOpeners(cfg Config) map[string]opener {
	cfg = cfg.withDefaults()
	return map[string]opener{
		"uring": func(int) (driver.Driver, error) {
			return uring.Open(uring.Config{Entries: cfg.Entries, CQEntries: cfg.CQEntries, BufferSize: cfg.BufferSize, Buffers: cfg.Buffers, BuffersMax: cfg.BuffersMax})
		},
		"epoll": func(int) (driver.Driver, error) {
			return epoll.Open(epoll.Config{BufferSize: cfg.BufferSize, Buffers: cfg.Buffers, BuffersMax: cfg.BuffersMax})
		},
	}
}

// onRealDrivers runs fn on a started runtime of each real driver, and checks that it stops clean and
// leaves no goroutine.
func onRealDrivers(t *testing.T, cfg Config, fn func(t *testing.T, rt *Runtime)) {
	if cfg.Logger == nil {
		cfg.Logger = quiet
	}
	for name, open := range realOpeners(cfg) {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			rt, err := StartOn(context.Background(), cfg, open)
			if err != nil {
				t.Fatal(err)
			}
			fn(t, rt)
			if err := rt.Stop(context.Background()); err != nil {
				t.Errorf("Stop: %v", err)
			}
			waitGoroutines(t, before)
		})
	}
}

// waitGoroutines waits until no more than n goroutines are left; goroutines that are ending need the
// scheduler a few times more.
func waitGoroutines(t *testing.T, n int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > n {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines are left, there were %d:\n%s", runtime.NumGoroutine(), n, buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
	}
}

// on runs fn as a task of core i and waits for it.
func on(t *testing.T, rt *Runtime, i int, fn func(c *Core) error) {
	t.Helper()
	done := make(chan error, 1)
	c := rt.Core(i)
	err := c.Post(func() {
		task := c.GoContext(context.Background(), "test", func() error { return fn(c) })
		c.onEnd(task, func() { done <- task.err })
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

type driverT = driver.Driver

// nopDriver does nothing, for benchmarks of what stands above a driver.
type nopDriver struct{ driver.Driver }

func (nopDriver) Kind() driver.Kind { return driver.Sim }
func (nopDriver) Buffers() int      { return 1 }
func (nopDriver) Wait([]driver.Completion, int, time.Duration) (int, error) {
	return 0, nil
}
