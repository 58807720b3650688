package coreruntime

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

type recorder struct {
	t      Timer
	at     time.Duration
	fired  time.Duration
	times  int
	onFire func()
}

func (r *recorder) Expire(_ *Timer, now time.Duration) {
	r.fired = now
	r.times++
	if r.onFire != nil {
		r.onFire()
	}
}

// The wheel against the plain truth: every timer fires once, never early, at the first look at or after
// its tick, and stopped ones never.
func TestWheelAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var w wheel
		w.init()
		now := time.Duration(rng.Int64N(int64(time.Hour)))
		w.expire(now)
		live := map[*recorder]bool{}
		for range 2000 {
			switch rng.IntN(4) {
			case 0, 1:
				r := &recorder{at: now + time.Duration(rng.Int64N(int64(1)<<uint(20+rng.IntN(26))))}
				w.set(&r.t, r.at, r)
				live[r] = true
			case 2:
				for r := range live {
					w.stop(&r.t)
					delete(live, r)
					break
				}
			case 3:
				if at := w.deadline(); at >= 0 && rng.IntN(2) == 0 {
					now = max(now, at)
				} else {
					now += time.Duration(rng.Int64N(int64(1) << uint(18+rng.IntN(24))))
				}
				w.expire(now)
				for r := range live {
					due := (r.at+timerTick-1)/timerTick*timerTick <= now/timerTick*timerTick
					if r.times > 0 && r.fired < r.at {
						t.Fatalf("seed %d: timer for %v fired early at %v", seed, r.at, r.fired)
					}
					if due && r.times != 1 && r.at+timerTick <= now {
						t.Fatalf("seed %d: timer for %v fired %d times by %v", seed, r.at, r.times, now)
					}
					if r.times > 0 {
						delete(live, r)
					}
				}
			}
			if w.armed != len(live) {
				t.Fatalf("seed %d: %d armed, %d live", seed, w.armed, len(live))
			}
			if at := w.deadline(); (at < 0) != (len(live) == 0) {
				t.Fatalf("seed %d: deadline %v with %d live", seed, at, len(live))
			}
		}
	}
}

func TestTimersMaySetAndStopEachOther(t *testing.T) {
	var w wheel
	w.init()
	a, b, again := &recorder{}, &recorder{}, &recorder{}
	a.onFire = func() { w.stop(&b.t); w.set(&again.t, 0, again) }
	b.onFire = func() { w.stop(&a.t); w.set(&again.t, 0, again) }
	w.set(&a.t, 5*time.Millisecond, a)
	w.set(&b.t, 5*time.Millisecond, b)
	w.expire(5 * time.Millisecond)
	if a.times+b.times != 1 {
		t.Fatalf("fired %d and %d times", a.times, b.times)
	}
	if again.times != 0 {
		t.Fatal("a timer set for the past fired inside the same expire")
	}
	w.expire(6 * time.Millisecond)
	if again.times != 1 || w.armed != 0 {
		t.Fatalf("fired %d times, %d armed", again.times, w.armed)
	}
}

func TestSetTimerMovesAnArmedTimer(t *testing.T) {
	c := manual(t, Config{})
	r := &recorder{}
	c.SetTimer(&r.t, time.Second, r)
	c.SetTimer(&r.t, 3*time.Second, r)
	c.Turn(2 * time.Second)
	if r.times != 0 || !r.t.Armed() {
		t.Fatalf("fired %d times, armed %v", r.times, r.t.Armed())
	}
	c.Turn(3 * time.Second)
	if r.times != 1 || r.t.Armed() {
		t.Fatalf("fired %d times, armed %v", r.times, r.t.Armed())
	}
}

func TestSleepingCoresWakeForTimers(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1}, func(t *testing.T, rt *Runtime) {
		on(t, rt, 0, func(c *Core) error {
			begin := c.Now()
			if err := c.Sleep(20 * time.Millisecond); err != nil {
				return err
			}
			if took := c.Now() - begin; took < 20*time.Millisecond {
				t.Errorf("slept %v", took)
			}
			return nil
		})
	})
}

// A span begins when its call does, not with the turn, in which others may have computed for long.
func TestSpansBeginWithTheirCall(t *testing.T) {
	const busy, span = 30 * time.Millisecond, 10 * time.Millisecond
	onRealDrivers(t, Config{Cores: 1}, func(t *testing.T, rt *Runtime) {
		calls := map[string]func(c *Core) error{
			"Sleep":  func(c *Core) error { return c.Sleep(span) },
			"Ticker": func(c *Core) error { return c.NewTicker(span).Wait() },
			"WithTimeout": func(c *Core) error {
				return c.WithTimeout(span, func() error { _ = c.Sleep(time.Hour); return nil })
			},
		}
		for name, call := range calls {
			on(t, rt, 0, func(c *Core) error {
				begin := time.Now()
				for time.Since(begin) < busy {
				}
				begin = time.Now()
				err := call(c)
				if took := time.Since(begin); took < span {
					t.Errorf("%s returned after %v of %v", name, took, span)
				}
				return err
			})
		}
	})
}

func BenchmarkTimerSetStop(b *testing.B) {
	var w wheel
	w.init()
	r := &recorder{}
	for i := 0; b.Loop(); i++ {
		w.set(&r.t, time.Duration(i%1000)*time.Second, r)
	}
}

// A timer further off than the wheel reaches goes around on the top level; it must not hide nearer ones.
func TestTimersBeyondTheWheel(t *testing.T) {
	const day = 24 * time.Hour
	c := manual(t, Config{})
	c.Turn(3 * day)
	var fired []time.Duration
	for _, at := range []time.Duration{math.MaxInt64, 30000 * day, 800 * day, 796 * day, 40 * day, 33 * day, 3*day + 1} {
		c.SetTimer(&Timer{}, at, expireFunc(func(now time.Duration) { fired = append(fired, at) }))
	}
	for c.wheel.armed > 0 {
		next := c.NextTimer()
		if next <= c.now {
			t.Fatalf("the next timer is at %v, now it is %v", next, c.now)
		}
		if next > 40000*day {
			break
		}
		c.Turn(next)
		for _, at := range fired {
			if at > c.now {
				t.Fatalf("the timer of %v fired at %v", at, c.now)
			}
		}
	}
	want := []time.Duration{3*day + 1, 33 * day, 40 * day, 796 * day, 800 * day, 30000 * day}
	if !slices.Equal(fired, want) {
		t.Errorf("fired: %v", fired)
	}
}

// After a pause of hours (a stopped process, a machine that slept) a timer that arms itself anew for now
// fires once a turn, not once for each tick that was missed.
func TestTimersThatArmThemselvesAfterAJump(t *testing.T) {
	c := manual(t, Config{})
	var timer Timer
	fired := 0
	var again expireFunc
	again = func(now time.Duration) { fired++; c.SetTimer(&timer, now, again) }
	c.SetTimer(&timer, c.now+time.Millisecond, again)
	c.Turn(5 * time.Hour)
	c.StopTimer(&timer)
	if fired != 1 {
		t.Errorf("fired %d times in one turn", fired)
	}
}

type expireFunc func(now time.Duration)

func (f expireFunc) Expire(_ *Timer, now time.Duration) { f(now) }
