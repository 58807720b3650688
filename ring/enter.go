package ring

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Submit hands the queued entries to the kernel and does not wait. Errno: see ExplainEnter.
func (r *Ring) Submit() unix.Errno { return r.enterNow(r.Pending(), 0) }

// Poll hands the queued entries to the kernel and lets it run deferred work and post completions. It does
// not wait. Errno: see ExplainEnter.
func (r *Ring) Poll() unix.Errno { return r.enterNow(r.Pending(), enterGetEvents) }

// Fetch is Poll that hands nothing over. A kernel that has no memory for an entry ends Submit, Poll and Wait there,
// before it runs deferred work: Fetch still does, and what ends by that gives memory back. Errno: see ExplainEnter.
func (r *Ring) Fetch() unix.Errno { return r.enterNow(0, enterGetEvents) }

// Wait hands the queued entries to the kernel and sleeps until a completion is there or timeout has
// passed (negative: no timeout). It may return early with none: a signal, a timeout and a kernel whose
// backlog does not fit are no errors, the caller looks at the queue and at its clock anyway.
func (r *Ring) Wait(timeout time.Duration) unix.Errno { return r.sleep(r.Pending(), timeout) }

// sleep is Wait for so many entries.
func (r *Ring) sleep(entries int, timeout time.Duration) unix.Errno {
	flags := enterGetEvents | r.waitFlags
	arg, size := uintptr(0), uintptr(0)
	if timeout >= 0 {
		ts := timespec{sec: int64(timeout / time.Second), nsec: int64(timeout % time.Second)}
		flags |= enterExtArg
		*r.ts = ts
		arg, size = r.getEvents, unsafe.Sizeof(geteventsArg{})
		if r.regWait != nil {
			r.regWait.ts = ts
			flags |= enterExtArgReg
			arg, size = 0, unsafe.Sizeof(regWait{})
		}
	}
	r.sq.publish()
	r.enters++
	// Syscall6 and not RawSyscall6: a thread asleep without the scheduler's knowledge holds up the
	// garbage collector of the whole process, or is woken by its signals for ever.
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, r.enterFD, uintptr(entries), 1, uintptr(flags|r.enterFlags), arg, size)
	r.sq.refresh()
	return harmless(errno)
}

// enterNow enters without sleeping. A short call stays hidden from the scheduler, which saves 35-75 ns; a
// long batch of entries may take a while in the kernel, so the scheduler is told.
func (r *Ring) enterNow(entries int, flags uint32) unix.Errno {
	r.sq.publish()
	r.enters++
	var errno unix.Errno
	if n := uintptr(entries); n <= rawSQEsMax {
		_, _, errno = unix.RawSyscall6(unix.SYS_IO_URING_ENTER, r.enterFD, n, 0, uintptr(flags|r.enterFlags), 0, 0)
	} else {
		_, _, errno = unix.Syscall6(unix.SYS_IO_URING_ENTER, r.enterFD, n, 0, uintptr(flags|r.enterFlags), 0, 0)
	}
	r.sq.refresh()
	return harmless(errno)
}

// harmless turns errnos that mean "look again" into 0: EINTR a signal, ETIME the timeout, EBUSY a backlog
// that did not fit into the completion queue (the overflow flag stays set, so the caller comes back).
func harmless(errno unix.Errno) unix.Errno {
	switch errno {
	case unix.EINTR, unix.ETIME, unix.EBUSY:
		return 0
	}
	return errno
}

// Enters returns how often the kernel was entered to submit or wait.
func (r *Ring) Enters() uint64 { return r.enters }
