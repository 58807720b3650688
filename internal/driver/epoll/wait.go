package epoll

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// Wait collects edges, serves the descriptors they made active, and fills out. It sleeps only when
// nothing else is to be done. An error is the end of the epoll instance.
func (d *Driver) Wait(out []driver.Completion, min int, timeout time.Duration) (int, error) {
	idle := d.done.Len() == 0 && d.active.len() == 0
	if err := d.poll(idle && min > 0 && timeout != 0, timeout); err != nil {
		return 0, err
	}
	d.serve(len(out))
	n := d.done.Pop(out)
	d.count.Completed += uint64(n)
	return n, nil
}

// poll fetches events, and consumes a Wake.
func (d *Driver) poll(sleep bool, timeout time.Duration) error {
	var n int
	var errno unix.Errno
	d.count.Enters++
	if sleep && d.wake.sleep() {
		n, errno = d.ep.wait(timeout)
	} else {
		n, errno = d.ep.poll()
	}
	d.wake.consume()
	if errno == unix.EINTR {
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("percore: epoll_pwait: %w", errno)
	}
	for i := range d.ep.events[:n] {
		d.note(&d.ep.events[i])
	}
	return nil
}

// note takes an event down. Events of descriptors that nobody waits for are hints for later.
func (d *Driver) note(e *unix.EpollEvent) {
	if int(e.Fd) == d.wake.fd {
		return
	}
	st := d.state(e.Fd)
	const broken = unix.EPOLLERR | unix.EPOLLHUP
	if e.Events&(broken|unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
		st.readable = true
	}
	if e.Events&(broken|unix.EPOLLRDHUP) != 0 {
		st.hangup = true
	}
	if e.Events&(broken|unix.EPOLLOUT) != 0 {
		st.writable = true
	}
	if st.readable && st.read != 0 || st.writable && st.write != 0 {
		d.activate(e.Fd, st)
	}
}

// serve gives every active descriptor one burst, first come first served, until max completions wait.
func (d *Driver) serve(max int) {
	for n := d.active.len(); n > 0 && d.done.Len() < max; n-- {
		fd := d.active.pop()
		st := d.fds[fd]
		st.active = false
		more := false
		if st.readable && st.read != 0 {
			more = d.serveRead(fd, st, max)
		}
		if st.writable && st.write != 0 {
			more = d.serveWrite(fd, st) || more
		}
		if more {
			d.activate(fd, st)
		} else if !st.idle() {
			d.watch(fd, st)
		}
	}
}

// serveRead lets the reading side go on for one burst. It reports whether there may be more to do.
func (d *Driver) serveRead(fd int32, st *fdState, max int) bool {
	for budget := burst; budget > 0 && d.done.Len() < max && st.readable && st.read != 0; {
		op := &d.ops[st.read-1]
		if op.Code == driver.Accept {
			d.acceptOne(st, op)
			budget -= burst / acceptBurstMax
		} else {
			d.recvOne(st, op)
			budget -= burst / recvBurstMax
		}
	}
	return st.readable && st.read != 0
}

func (d *Driver) acceptOne(st *fdState, op *waiting) {
	fd, errno := accept(op.FD)
	switch errno {
	case 0:
		d.fresh(int32(fd))
		d.done.Push(driver.Completion{Token: op.Token, Res: int32(fd), Bid: driver.NoBuffer, More: op.Multi})
		if !op.Multi {
			d.remove(st, op.Token.Slot())
		}
	case unix.EAGAIN:
		st.readable = false
	case unix.EINTR, unix.ECONNABORTED: // gone before we came; accept(2) says to try again
	default:
		d.finish(st, op, -int32(errno))
	}
}

// recvOne makes at most one completion. A short read means that the socket is empty, unless an end of
// file or an error stands behind the last bytes (epoll(7), question 9).
func (d *Driver) recvOne(st *fdState, op *waiting) {
	bid, ok := d.group.Take()
	if !ok {
		d.count.NoBuffers++
		d.finish(st, op, -int32(unix.ENOBUFS))
		return
	}
	buf := d.group.Buffer(bid)
	n, errno := recv(op.FD, buf)
	if n > 0 {
		st.readable = n == len(buf) || st.hangup
		d.done.Push(driver.Completion{Token: op.Token, Res: int32(n), Bid: bid, More: op.Multi})
		if !op.Multi {
			d.remove(st, op.Token.Slot())
		}
		return
	}
	d.group.Recycle(bid)
	switch errno {
	case unix.EAGAIN:
		st.readable, st.hangup = false, false
	case unix.EINTR:
	default:
		d.finish(st, op, -int32(errno))
	}
}

// serveWrite lets the writing side go on. It reports whether there may be more to do.
func (d *Driver) serveWrite(fd int32, st *fdState) bool {
	op := &d.ops[st.write-1]
	if op.Code == driver.Connect {
		d.connected(st, op)
		return st.write != 0 && st.writable
	}
	n, errno := trySend(fd, op.Buf)
	switch errno {
	case unix.EAGAIN:
		st.writable = false
	case unix.EINTR:
	default:
		d.finish(st, op, result(n, errno))
	}
	return st.write != 0 && st.writable
}

// connected finds out how a connect ended; an edge alone proves nothing. See connect(2), EINPROGRESS.
func (d *Driver) connected(st *fdState, op *waiting) {
	if errno := d.SocketError(int(op.FD)); errno != 0 {
		d.finish(st, op, -int32(errno))
		return
	}
	if _, err := d.Peername(int(op.FD)); err != nil {
		st.writable = false
		return
	}
	d.finish(st, op, 0)
}
