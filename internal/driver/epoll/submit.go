package epoll

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// Submit tries op at once where it is likely to succeed, and otherwise lets it wait for readiness.
func (d *Driver) Submit(op driver.Op) {
	d.count.Submitted++
	if op.Code == driver.Cancel {
		d.cancel(op)
		return
	}
	if op.FD < 0 {
		d.post(op.Token, -int32(unix.EBADF))
		return
	}
	st := d.state(op.FD)
	switch op.Code {
	case driver.Send:
		d.submitSend(st, op)
	case driver.Connect:
		d.submitConnect(st, op)
	case driver.Recv, driver.Accept:
		d.submitRead(st, op)
	default:
		panic(fmt.Sprintf("BUG: op code %d", op.Code))
	}
}

// submitRead does not try: after an accept or a reply there is seldom anything yet, and the registration
// that is needed anyway tells when there is.
func (d *Driver) submitRead(st *fdState, op driver.Op) {
	if !d.enqueue(st, op) {
		return
	}
	if st.readable {
		d.activate(op.FD, st)
		return
	}
	d.watch(op.FD, st)
}

func (d *Driver) submitSend(st *fdState, op driver.Op) {
	if st.write == 0 {
		n, errno := trySend(op.FD, op.Buf)
		if errno != unix.EAGAIN && errno != unix.EINTR {
			d.post(op.Token, result(n, errno))
			return
		}
	}
	if !d.enqueue(st, op) {
		return
	}
	st.writable = false
	d.watch(op.FD, st)
}

// submitConnect begins to connect; connect(2), EINPROGRESS. The descriptor is most likely a new one.
func (d *Driver) submitConnect(st *fdState, op driver.Op) {
	if st.idle() {
		st.registered = false
	}
	errno := connect(op.FD, op.Buf)
	if errno != unix.EINPROGRESS && errno != unix.EINTR {
		d.post(op.Token, -int32(errno))
		return
	}
	d.enqueue(st, op)
	st.writable = false
	d.watch(op.FD, st)
}

// cancel ends the target at once, so that it is never too late: 0 and -ENOENT are its only answers. A
// descriptor where nothing waits any more is taken out of epoll: it is about to be closed, or to leave
// for an owner whose traffic must not wake this core.
func (d *Driver) cancel(op driver.Op) {
	i := op.Target.Slot()
	if int(i) >= len(d.ops) || op.Target == driver.NoToken || d.ops[i].Token != op.Target {
		d.post(op.Token, -int32(unix.ENOENT))
		return
	}
	target := &d.ops[i]
	fd := target.FD
	st := d.fds[fd]
	d.finish(st, target, -int32(unix.ECANCELED))
	d.post(op.Token, 0)
	if !st.idle() {
		d.activate(fd, st) // the next in the queue may have been held up by the target
		return
	}
	if st.registered {
		d.ep.ctl(unix.EPOLL_CTL_DEL, fd, 0) // ENOENT, EBADF: it is gone already
		st.registered = false
	}
}

// edges is what every descriptor is registered for. EPOLLRDHUP tells an end of file that arrives
// together with the last bytes, for which no further edge comes.
const edges = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET

// watch makes sure that an edge will come for the ops that wait at fd; readiness that is there already
// counts as one. If it cannot, those ops end with the errno.
func (d *Driver) watch(fd int32, st *fdState) {
	if st.watched {
		return
	}
	op := unix.EPOLL_CTL_ADD
	if st.registered {
		op = unix.EPOLL_CTL_MOD
	}
	errno := d.ep.ctl(op, fd, edges)
	switch errno {
	case unix.EEXIST:
		errno = d.ep.ctl(unix.EPOLL_CTL_MOD, fd, edges)
	case unix.ENOENT:
		errno = d.ep.ctl(unix.EPOLL_CTL_ADD, fd, edges)
	}
	if errno == 0 {
		st.watched, st.registered, st.hangup = true, true, false
		return
	}
	st.registered = false
	for _, l := range [...]*link{&st.read, &st.write} {
		for *l != 0 {
			d.finish(st, &d.ops[*l-1], -int32(errno))
		}
	}
}

// result is a completion's Res.
func result(n int, errno unix.Errno) int32 {
	if errno != 0 {
		return -int32(errno)
	}
	return int32(n)
}
