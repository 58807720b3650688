package coreruntime

import "time"

// Expire ends a Sleep. It is for the core's wheel only.
func (t *Task) Expire(_ *Timer, _ time.Duration) { t.pause.Wake() }

// Sleep parks the running task for d, to the next millisecond. It returns early with the cause when the
// task is canceled. Task only.
func (c *Core) Sleep(d time.Duration) error {
	if err := c.MustTask("Core.Sleep"); err != nil {
		return err // before c.now is read: it is the core's
	}
	return c.sleepUntil(c.now + d)
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
	limit := &timeout{task: c.current}
	c.SetTimer(&limit.timer, c.now+d, limit)
	defer limit.end(c)
	return fn()
}

// timeout cancels its task once.
type timeout struct {
	timer Timer
	task  *Task
}

func (l *timeout) Expire(_ *Timer, _ time.Duration) { l.task.cancel(ErrTimeout) }

// end also takes back a cancel that fn never met.
func (l *timeout) end(c *Core) {
	c.StopTimer(&l.timer)
	if l.task.pending == ErrTimeout {
		l.task.pending = nil
	}
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
	return &Ticker{core: c, interval: d, at: c.now + d}
}

// Wait parks until the next tick. Task only.
func (k *Ticker) Wait() error {
	if err := k.core.MustTask("Ticker.Wait"); err != nil {
		return err
	}
	now := k.core.now
	if k.at < now { // skip what was missed, keep the phase
		k.at += (now - k.at + k.interval - 1) / k.interval * k.interval
	}
	at := k.at
	k.at += k.interval
	return k.core.sleepUntil(at)
}
