package coreruntime

import (
	"errors"
	"fmt"
	"time"
)

// beginDrain starts the core's end: residents are asked to finish, tasks made by Go are canceled once.
// Pooled tasks belong to residents that drain by themselves, so they go on until a fifth of the time is
// left. Further calls can only bring the end forward.
func (c *Core) beginDrain(end time.Duration) {
	if c.phase == phaseRunning || end < c.drainEnd {
		c.drainEnd, c.drainWarn = end, end-max(end-c.now, 0)/5
	}
	if c.phase != phaseRunning {
		return
	}
	c.phase = phaseDraining
	for t := c.tasks.head; t != nil; t = t.nextAll {
		if !t.pooled {
			t.cancel(errStopping)
		}
	}
	c.drainLate = true
}

// nextDrainStep is when drain has something new to do.
func (c *Core) nextDrainStep() time.Duration {
	if !c.drainHalf {
		return c.drainWarn
	}
	return c.drainEnd
}

// drain moves a stop on.
func (c *Core) drain(now time.Duration) {
	if c.drainLate {
		c.drainLate = false
		if c.phase == phaseAborting {
			c.residents.each(func(o ResidentOwner) { o.Abort(now) })
		} else {
			c.residents.each(func(o ResidentOwner) { o.Drain(now) })
		}
	}
	if c.phase != phaseDraining {
		return
	}
	if !c.drainHalf && now >= c.drainWarn {
		c.drainHalf = true
		for t := c.tasks.head; t != nil; t = t.nextAll {
			t.cancel(errStopping)
		}
	}
	if now >= c.drainEnd {
		c.abort(now)
	}
}

// abort ends what did not end by itself: parked tasks by Goexit, residents by Abort.
func (c *Core) abort(now time.Duration) {
	c.phase = phaseAborting
	for t := c.tasks.head; t != nil; t = t.nextAll {
		t.killed = true
		c.counts[TasksKilled]++
		if t.waiter != nil {
			t.unpark(errStopping)
		}
	}
	c.residents.each(func(o ResidentOwner) { o.Abort(now) })
}

// finished reports whether a stopping core has nothing left that it must wait for. Mail does not count
// until the mailbox is sealed: whoever posts again and again must not keep the core alive.
func (c *Core) finished() bool {
	return c.phase != phaseRunning && c.residents.count == 0 && c.tasks.count == 0 && c.letters == nil &&
		c.ops.live == 0 && c.cancels == 0 && len(c.flushes) == 0 && len(c.resumes) == 0
}

// sealMail closes the mailbox of a core that has nothing else left. The last letters are read in further
// turns; what they start ends at once, like everything past the drain deadline.
func (c *Core) sealMail() {
	c.sealed = true
	c.phase = phaseAborting
	c.letters = c.mail.seal()
}

// close gives everything back; the loop has ended. It returns what leaked, which is our bug. From here on
// the core has no goroutine: the Go runtime may use this one's memory for any other.
func (c *Core) close() error {
	if c.phase != phaseEnded {
		return nil // a panic, which ends the process: do not hide it
	}
	defer c.disown()
	c.dropCoros()
	var leak error
	if c.lent != 0 || c.chunks.out != 0 || c.ops.live != 0 {
		leak = fmt.Errorf("BUG: core %d ended with %d provided buffers lent, %d chunk bytes out, %d ops live",
			c.id, c.lent, c.chunks.out, c.ops.live)
	}
	return errors.Join(leak, c.drv.Close())
}
