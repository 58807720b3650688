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
	if !d.wake.armed {
		d.armWake()
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
		if errno := transient(d.ring.Poll()); errno != 0 {
			return errno
		}
	}
	if sleep && d.wake.armed && d.ring.Ready() == 0 && len(d.refused) == 0 && d.wake.sleep() {
		errno := d.ring.Wait(timeout)
		d.wake.consume()
		return transient(errno)
	}
	d.wake.consume()
	if d.ring.Pending() > 0 {
		return transient(d.ring.Poll())
	}
	return 0
}

// transient lets a kernel that is short of memory off: the ops stay queued and the next Wait tries again.
func transient(errno unix.Errno) unix.Errno {
	if errno == unix.EAGAIN || errno == unix.ENOMEM {
		return 0
	}
	return errno
}

// reap fills out: first what was refused without the kernel, then what the completion queue holds.
func (d *Driver) reap(out []driver.Completion) int {
	n := 0
	if len(d.refused) > 0 {
		n = copy(out, d.refused)
		d.refused = d.refused[:copy(d.refused, d.refused[n:])]
	}
	for n < len(out) {
		k := d.ring.Copy(d.batch[:min(len(d.batch), len(out)-n)])
		if k == 0 {
			break
		}
		for i := range d.batch[:k] {
			c := &d.batch[i]
			if c.UserData == wakeToken {
				d.wake.armed = c.More()
				continue
			}
			d.fill(&out[n], c)
			n++
		}
	}
	d.count.Completed += uint64(n)
	return n
}

func (d *Driver) fill(out *driver.Completion, c *ring.CQE) {
	*out = driver.Completion{Token: driver.Token(c.UserData), Res: c.Res, Bid: driver.NoBuffer, More: c.More()}
	if bid, ok := c.Buffer(); ok {
		out.Bid = int32(bid)
	}
	if c.Res == -int32(unix.ENOBUFS) {
		d.count.NoBuffers++
	}
}
