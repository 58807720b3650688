package uring

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/ring"
)

// closeMax bounds how long Close waits for the next op to end.
const closeMax = 5 * time.Second

// Wait submits what is queued and fills out. It enters the kernel only for a reason: something to submit,
// work that the kernel has deferred to us, or sleep. An error is the end of the ring.
func (d *Driver) Wait(out []driver.Completion, min int, timeout time.Duration) (int, error) {
	d.bufs.Publish()
	if len(d.held) > 0 {
		d.release()
	}
	if !d.wake.armed {
		d.armWake()
	}
	if d.sweep.due && !d.sweep.armed {
		d.armSweep()
	}
	if d.ring.Overflowed() {
		d.count.Overflows++
	}
	if errno := d.enter(min > 0 && timeout != 0, timeout); errno != 0 {
		return 0, ring.ExplainEnter(errno)
	}
	if n := d.ring.Dropped(); n != 0 {
		return 0, fmt.Errorf("percore: the kernel lost %d completions: %w", n, ring.ExplainEnter(unix.EBADR))
	}
	return d.reap(out), nil
}

// enter goes into the kernel if there is a reason to. It returns with the core awake, and consumes a Wake.
// Work that the kernel has deferred is fetched first by the short call: with it there is mostly no reason
// left to sleep, and a call that may sleep costs more.
func (d *Driver) enter(sleep bool, timeout time.Duration) unix.Errno {
	if d.ring.NeedsEnter() {
		if errno := d.kernel.Poll(); errno != 0 {
			return d.refused(errno, sleep, timeout)
		}
	}
	sleep = sleep && d.ring.Ready() == 0
	if sleep && (!d.wake.armed || len(d.held) > 0) {
		return d.refused(unix.ENOMEM, sleep, timeout) // there was no place for them: see nextSQE
	}
	if sleep && d.wake.sleep() {
		errno := d.kernel.Wait(timeout)
		return d.refused(errno, !d.wake.consume(), timeout)
	}
	d.wake.consume()
	if d.ring.Pending() > 0 {
		return d.refused(d.kernel.Poll(), false, 0)
	}
	return 0
}

// A kernel that is short of memory is asked again after a pause that doubles from backOffMin to
// backOffMax: at once would be a core that spins.
const (
	backOffMin = time.Millisecond
	backOffMax = 50 * time.Millisecond
)

// refused lets a kernel that is short of memory off: the ops stay queued and a later Wait tries again. What
// has ended meanwhile is fetched all the same: it serves connections, and gives the memory back. If the
// core would sleep it sleeps here instead, on the eventfd alone, which needs nothing of the ring.
func (d *Driver) refused(errno unix.Errno, sleep bool, timeout time.Duration) unix.Errno {
	if errno != unix.EAGAIN && errno != unix.ENOMEM {
		d.backOff = 0
		return errno
	}
	d.count.NoMemory++
	if d.ring.NeedsEnter() { // it stopped before that: see ring.Ring.Fetch
		if errno := d.kernel.Fetch(); errno != 0 {
			return errno
		}
	}
	if !sleep || d.ring.Ready() > 0 {
		return 0
	}
	d.backOff = min(max(2*d.backOff, backOffMin), backOffMax)
	d.wake.reset()
	if d.wake.sleep() {
		d.wake.wait(until(d.backOff, timeout))
	}
	d.wake.consume()
	return 0
}

// until is the shorter of two times, of which the second may be negative: never.
func until(pause, timeout time.Duration) time.Duration {
	if timeout >= 0 && timeout < pause {
		return timeout
	}
	return pause
}

// reap fills out with what the completion queue holds.
func (d *Driver) reap(out []driver.Completion) int {
	n := 0
	for n < len(out) {
		k := d.ring.Copy(d.batch[:min(len(d.batch), len(out)-n)])
		if k == 0 {
			break
		}
		for i := range d.batch[:k] {
			c := &d.batch[i]
			if c.UserData >= quitToken {
				d.own(c)
				continue
			}
			d.fill(&out[n], c)
			n++
		}
	}
	d.count.Completed += uint64(n)
	return n
}

// own takes a completion that is meant for the driver itself.
func (d *Driver) own(c *ring.CQE) {
	switch c.UserData {
	case wakeToken:
		d.wake.armed = c.More()
	case timerToken:
		if d.sweep.armed = false; c.Res == -int32(unix.ETIME) { // else no time has passed
			d.look()
		}
	}
}

func (d *Driver) fill(out *driver.Completion, c *ring.CQE) {
	*out = driver.Completion{Token: driver.Token(c.UserData), Res: c.Res, Bid: driver.NoBuffer, More: c.More()}
	if bid, ok := c.Buffer(); ok {
		out.Bid = int32(bid)
		d.loans.lend(out.Bid)
	}
	if c.Res == -int32(unix.ENOBUFS) {
		d.count.NoBuffers++
	}
	d.sweep.heard(out.Token, out.More)
}
