package coreruntime

import (
	"math"
	"time"
)

// Expire ends a Sleep. It is for the core's wheel only.
func (t *Task) Expire(_ *Timer, _ time.Duration) { t.pause.Wake() }

// Sleep parks the running task for d, to the next millisecond. It returns early with the cause when the
// task is canceled. Task only.
func (c *Core) Sleep(d time.Duration) error {
	if err := c.MustTask("Core.Sleep"); err != nil {
		return err // before the clock is read: it is the core's
	}
	return c.sleepUntil(addSpan(c.readClock(), d)) // not c.now: the turn may have lasted longer than d
}

func (c *Core) sleepUntil(at time.Duration) error {
	t := c.current
	c.wheel.set(&t.timer, at, t)
	defer c.wheel.stop(&t.timer)
	return t.pause.Park(c)
}

// WithTimeout runs fn in the calling task and cancels the task's parked call with ErrTimeout when fn
// takes longer than d; fn decides what it does then. Task only.
func (c *Core) WithTimeout(d time.Duration, fn func() error) error {
	if err := c.MustTask("Core.WithTimeout"); err != nil {
		return err
	}
	limit := &timeout{task: c.current, outer: c.current.limit}
	c.current.limit = limit
	c.SetTimer(&limit.timer, addSpan(c.readClock(), d), limit)
	defer limit.end(c)
	return fn()
}

// timeout is one WithTimeout call of a task. It cancels the task once, apart from all other cancels: those
// of Task.Cancel and of outer limits must outlive it.
type timeout struct {
	timer Timer
	task  *Task
	outer *timeout
	due   bool // it found the task not parked: the next park returns ErrTimeout
}

func (l *timeout) Expire(_ *Timer, _ time.Duration) {
	if l.task.waiter != nil {
		l.task.unpark(ErrTimeout)
		return
	}
	l.due = true
	l.task.overdue++
}

// met takes the cancel back, if there is one that no park has met.
func (l *timeout) met() {
	if l.due {
		l.due = false
		l.task.overdue--
	}
}

func (l *timeout) end(c *Core) {
	c.StopTimer(&l.timer)
	l.met()
	l.task.limit = l.outer
}

// addSpan adds a user's span to a point in time; the longest span means "for ever", not "in the past".
func addSpan(at, span time.Duration) time.Duration {
	if end := at + span; span < 0 || end >= at {
		return end
	}
	return math.MaxInt64
}

// Ticker fires at a fixed interval; ticks nobody waited for are dropped.
type Ticker struct {
	core     *Core
	interval time.Duration
	at       time.Duration
}

// NewTicker returns a ticker that first fires after d. It holds nothing while nobody waits, so there is
// nothing to stop. Core only; d must be positive.
func (c *Core) NewTicker(d time.Duration) *Ticker {
	c.must("Core.NewTicker")
	if d <= 0 {
		panic("percore: NewTicker needs a positive interval")
	}
	return &Ticker{core: c, interval: d, at: addSpan(c.readClock(), d)}
}

// Wait parks until the next tick. Task only.
func (k *Ticker) Wait() error {
	if err := k.core.MustTask("Ticker.Wait"); err != nil {
		return err
	}
	now := k.core.now
	if k.at < now { // skip what was missed, keep the phase
		k.at = addSpan(k.at, ((now-k.at-1)/k.interval+1)*k.interval)
	}
	at := k.at
	k.at = addSpan(at, k.interval)
	return k.core.sleepUntil(at)
}
