package coreruntime

import (
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
