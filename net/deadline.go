package corenet

import (
	"net"
	"time"

	"github.com/percore/percore/runtime"
)

// times is what only some connections need; an idle one has none of it.
type times struct {
	read, write, stall, linger coreruntime.Timer

	readPast, writePast bool          // the deadline has passed
	progress            time.Duration // when the peer, or the kernel for it, last took output
	unacked             int           // what the peer had not taken of the kernel's at the last look
	detach              coreruntime.Waiter
}

func (c *Conn) timers() *times {
	if c.times == nil {
		c.times = &times{}
	}
	return c.times
}

func (c *Conn) stopTimers() {
	if t := c.times; t != nil {
		for _, timer := range []*coreruntime.Timer{&t.read, &t.write, &t.stall, &t.linger} {
			c.core.StopTimer(timer)
		}
	}
}

// Expire is called by the core's wheel.
func (t *inTurn) Expire(timer *coreruntime.Timer, now time.Duration) {
	c := (*Conn)(t)
	switch timer {
	case &c.times.read:
		c.times.readPast = true
		c.rwait.Wake()
	case &c.times.write:
		c.times.writePast = true
		c.wwait.Wake()
	case &c.times.stall:
		c.stalled(now)
	case &c.times.linger:
		c.cancelOps()
	}
	c.settle()
}

// stallLooks is how often in WriteStallMax a stuck connection is looked at.
const stallLooks = 4

// watchStall sets the timer for the next look.
func (c *Conn) watchStall(now time.Duration) {
	at := min(now+c.cfg.WriteStallMax/stallLooks, c.times.progress+c.cfg.WriteStallMax)
	c.core.SetTimer(&c.times.stall, at, (*inTurn)(c))
}

// stalled aborts a connection whose peer takes nothing. The kernel tells of room only when a third of the socket's
// buffer is free (sk_stream_is_writeable), which may be megabytes: a peer that reads slowly shows in what it has
// acknowledged.
func (c *Conn) stalled(now time.Duration) {
	if c.outBytes == 0 || c.canceling {
		return
	}
	t := c.times
	if n, err := c.core.Driver().Unacked(int(c.fd)); err == nil {
		if n < t.unacked {
			t.progress = now
		}
		t.unacked = n
	}
	if now < t.progress+c.cfg.WriteStallMax {
		c.watchStall(now)
		return
	}
	c.core.Count(coreruntime.WriteStalls, 1)
	c.abort(c.opError("write", &timeoutError{"the peer took nothing for WriteStallMax (" + c.cfg.WriteStallMax.String() + ")"}))
}

// SetDeadline sets both deadlines; see net.Conn. Parked calls and later ones fail with
// os.ErrDeadlineExceeded when it has passed; nothing received is lost by that. The zero time means none.
// Any goroutine; from outside the core it takes effect with the core's next turn.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(t, true, true) }

// SetReadDeadline sets the deadline of Read and WriteTo, as SetDeadline. Any goroutine.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, true, false) }

// SetWriteDeadline sets the deadline of Write and ReadFrom, as SetDeadline. Output that Write has accepted
// is not bound by it, but by WriteStallMax. Any goroutine.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, false, true) }

func (c *Conn) setDeadline(at time.Time, read, write bool) error {
	if c.core.Check("Conn.SetDeadline") != nil {
		if c.core.Post(func() { c.applyDeadlines(at, read, write) }) != nil {
			return c.opError("set", net.ErrClosed)
		}
		return nil
	}
	if c.phase != open {
		return c.opError("set", c.gone())
	}
	c.applyDeadlines(at, read, write)
	return nil
}

func (c *Conn) applyDeadlines(at time.Time, read, write bool) {
	if c.phase != open {
		return
	}
	if at.IsZero() && c.times == nil {
		return
	}
	t := c.timers()
	if read {
		c.applyDeadline(&t.read, &t.readPast, &c.rwait, at)
	}
	if write {
		c.applyDeadline(&t.write, &t.writePast, &c.wwait, at)
	}
}

func (c *Conn) applyDeadline(timer *coreruntime.Timer, past *bool, wait *coreruntime.Waiter, at time.Time) {
	*past = false
	if at.IsZero() {
		c.core.StopTimer(timer)
		return
	}
	when := c.core.Until(at)
	if when > c.core.Now() {
		c.core.SetTimer(timer, when, (*inTurn)(c))
		return
	}
	c.core.StopTimer(timer)
	*past = true
	wait.Wake()
}
