package uring

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/ring"
)

// Submit queues op; the kernel sees it with the next Wait, or at once when the queue was full. What has no
// place because the kernel has no memory is held until it has.
func (d *Driver) Submit(op driver.Op) {
	if op.Code < driver.Accept || op.Code > driver.Cancel {
		panic(fmt.Sprintf("BUG: op code %d", op.Code)) // before an entry is taken: it would hold a stale op
	}
	if len(d.held) == 0 && d.queue(&op) {
		return
	}
	d.held = append(d.held, op)
}

// release queues what was held, in order, as far as there are places.
func (d *Driver) release() {
	n := 0
	for n < len(d.held) && d.queue(&d.held[n]) {
		n++
	}
	rest := copy(d.held, d.held[n:])
	clear(d.held[rest:]) // their slots hold the buffers now
	d.held = d.held[:rest]
}

// queue fills an entry with op; false: there is no place.
func (d *Driver) queue(op *driver.Op) bool {
	s := d.nextSQE()
	if s == nil {
		return false
	}
	d.count.Submitted++
	token := uint64(op.Token)
	switch op.Code {
	case driver.Recv:
		if op.Multi {
			s.PrepRecvMulti(op.FD, group, token)
			d.sweep.watch(op.Token, op.FD)
		} else {
			s.PrepRecv(op.FD, group, token)
		}
	case driver.Send:
		s.PrepSend(op.FD, op.Buf, token)
	case driver.Cancel:
		s.PrepCancel(uint64(op.Target), token)
	case driver.Accept:
		d.rememberAccept(*op)
		if op.Multi {
			s.PrepAccept(op.FD, token)
			d.sweep.watch(op.Token, op.FD)
		} else {
			s.PrepAcceptOnce(op.FD, token)
		}
	case driver.Connect:
		s.PrepConnect(op.FD, op.Buf, token)
	}
	return true
}

// nextSQE returns a free entry, flushing a full queue first. nil: the kernel has no memory to take any.
func (d *Driver) nextSQE() *ring.SQE {
	if s := d.ring.NextSQE(); s != nil {
		return s
	}
	d.count.QueueFull++
	d.bufs.Publish()
	d.kernel.Submit() // an errno that matters comes again in Wait, which returns it
	return d.ring.NextSQE()
}

func (d *Driver) rememberAccept(op driver.Op) {
	for i := range d.accepts {
		if d.accepts[i].fd == op.FD {
			d.accepts[i].token = op.Token
			return
		}
	}
	d.accepts = append(d.accepts, accept{op.FD, op.Token})
}

// rawSendMax is how many bytes are sent without telling the scheduler: about 10 µs of copying.
const rawSendMax = 64 << 10

// TrySend writes p without waiting and without a completion. For small replies that is cheaper than a
// send on the ring. See send(2), MSG_DONTWAIT.
func (d *Driver) TrySend(fd int, p []byte) (int, unix.Errno) {
	const flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	addr := unsafe.Pointer(unsafe.SliceData(p))
	var n uintptr
	var errno unix.Errno
	if len(p) <= rawSendMax {
		n, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(addr), uintptr(len(p)), flags, 0, 0)
	} else {
		n, _, errno = unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(addr), uintptr(len(p)), flags, 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
