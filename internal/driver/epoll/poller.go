package epoll

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller is an epoll instance with the memory its calls need.
type poller struct {
	fd     int
	noNano bool // epoll_pwait2 is missing (before Linux 5.11) or filtered: timeouts in milliseconds
	event  unix.EpollEvent
	ts     unix.Timespec
	events [eventsMax]unix.EpollEvent
}

// sigsetSize is the size of the kernel's signal set; the set itself is left as it is.
const sigsetSize = 8

func (p *poller) open() (err error) {
	p.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	_, errno := p.wait(0)
	p.noNano = errno == unix.ENOSYS || errno == unix.EPERM
	return nil
}

func (p *poller) close() {
	if p.fd >= 0 {
		_ = unix.Close(p.fd)
		p.fd = -1
	}
}

func (p *poller) ctl(op int, fd int32, events uint32) unix.Errno {
	p.event = unix.EpollEvent{Events: events, Fd: fd}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&p.event)), 0, 0)
	return errno
}

// poll fetches events without sleeping, and so without telling the scheduler.
func (p *poller) poll() (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), eventsMax, 0, 0, sigsetSize)
	return int(n), errno
}

// wait sleeps for events, at most timeout (negative: without end). It goes through the scheduler, or
// the sleeping thread would hold up the collector.
func (p *poller) wait(timeout time.Duration) (int, unix.Errno) {
	if p.noNano {
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), eventsMax, uintptr(millis(timeout)), 0, sigsetSize)
		return int(n), errno
	}
	var ts *unix.Timespec
	if timeout >= 0 {
		p.ts = unix.NsecToTimespec(int64(timeout))
		ts = &p.ts
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events)), eventsMax, uintptr(unsafe.Pointer(ts)), 0, sigsetSize)
	return int(n), errno
}

// millis rounds up, so that a timer has passed when the wait for it ends.
func millis(d time.Duration) int {
	if d < 0 {
		return -1
	}
	const most = 1<<31 - 1
	return int(min((d+time.Millisecond-1)/time.Millisecond, most))
}
