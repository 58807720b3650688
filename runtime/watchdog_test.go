package coreruntime

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"
)

// A task locks a mutex that a parked task of the same core holds: the core stands still, and the
// watchdog says who and why, once.
func TestWatchdogNamesACoreDeadlock(t *testing.T) {
	stalls := make(chan Stall, 10)
	cfg := Config{Cores: 1, StallMax: 40 * time.Millisecond, OnStall: func(s Stall) { stalls <- s }}
	onRealDrivers(t, cfg, func(t *testing.T, rt *Runtime) {
		var mu sync.Mutex
		on(t, rt, 0, func(c *Core) error {
			c.Go("holder", func() {
				mu.Lock()
				_ = c.Sleep(time.Hour)
			})
			return c.Yield()
		})
		if err := rt.Core(0).Post(func() {
			rt.Core(0).Go("victim", func() { mu.Lock(); mu.Unlock() })
		}); err != nil {
			t.Fatal(err)
		}
		s := <-stalls
		if s.Task != "victim" || !s.Deadlock || s.For < cfg.StallMax || !strings.Contains(s.Stack, "TestWatchdogNamesACoreDeadlock") {
			t.Errorf("stall: %v\n%s", s, s.Stack)
		}
		if !strings.Contains(s.String(), "core deadlock") {
			t.Errorf("text: %s", s)
		}
		mu.Unlock() // from here, so that the core goes on
		on(t, rt, 0, func(*Core) error { return nil })
		select {
		case s := <-stalls:
			t.Errorf("the same stall was reported again: %v", s)
		default:
		}
	})
}

// OnStall may stop the runtime: it does not wait for itself.
func TestOnStallMayStop(t *testing.T) {
	started, result := make(chan *Runtime, 1), make(chan error, 1)
	var mu sync.Mutex
	cfg := Config{Cores: 1, StallMax: 20 * time.Millisecond, DrainTimeout: 50 * time.Millisecond, Logger: quiet}
	cfg.OnStall = func(Stall) {
		select {
		case rt := <-started:
			mu.Unlock() // what the core waits for
			result <- rt.Stop(context.Background())
		default: // a busy machine stalls for real
		}
	}
	rt, err := StartOn(context.Background(), cfg, realOpeners(cfg)["epoll"])
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	if err := rt.Core(0).Post(func() { started <- rt; mu.Lock() }); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("Stop: %v", err)
	}
	<-rt.Done()
}

func TestWatchdogTellsComputing(t *testing.T) {
	stalls := make(chan Stall, 10)
	cfg := Config{Cores: 1, StallMax: 30 * time.Millisecond, OnStall: func(s Stall) { stalls <- s }}
	onRealDrivers(t, cfg, func(t *testing.T, rt *Runtime) {
		on(t, rt, 0, func(*Core) error {
			for deadline := time.Now().Add(20 * time.Second); len(stalls) == 0 && time.Now().Before(deadline); {
			}
			return nil
		})
		if s := <-stalls; s.Deadlock || s.Task != "test" {
			t.Errorf("stall: %v", s)
		}
	})
}

func TestSleepingIsNoStall(t *testing.T) {
	stalls := make(chan Stall, 10)
	cfg := Config{Cores: 1, StallMax: 5 * time.Millisecond, OnStall: func(s Stall) { stalls <- s }}
	onRealDrivers(t, cfg, func(t *testing.T, rt *Runtime) {
		on(t, rt, 0, func(c *Core) error { return c.Sleep(50 * time.Millisecond) })
		if len(stalls) > 1 { // a busy machine may stall once for real
			t.Errorf("%d stalls while asleep: %v", len(stalls), <-stalls)
		}
		for len(stalls) > 0 {
			<-stalls
		}
	})
}

// Stop asks the watchdog who calls it; the runtime of manual cores has none.
func TestManualCoresHaveNoWatchdog(t *testing.T) {
	if c := manual(t, Config{}); c.rt.watch.calls() {
		t.Error("a watchdog that is not there calls")
	}
}
