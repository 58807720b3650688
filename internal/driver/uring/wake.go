package uring

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The states of wake.state. awake -> asleep (Wait) -> woken (Wake) -> awake (Wait); awake -> woken (Wake);
// any -> shut (Close), for ever.
const (
	awake uint32 = iota
	asleep
	woken
	shut
)

// wake is the way from other goroutines into a sleeping Wait; see the package comment for the protocol.
type wake struct {
	_       [64]byte // other threads write here: keep the core's own fields off this cache line
	state   atomic.Uint32
	writers atomic.Int32 // Wake calls that may be about to write to fd
	calls   atomic.Uint64
	_       [64]byte
	fd      int
	one     uint64 // what is written; on the heap with its driver
	armed   bool   // the poll on fd is in the ring; core only
}

func (w *wake) open() (err error) {
	w.one = 1
	w.fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return err
}

// Wake makes a Wait that sleeps, or the next one, return. Any goroutine, also after Close.
func (d *Driver) Wake() { d.wake.signal() }

func (w *wake) signal() {
	for {
		switch w.state.Load() {
		case woken, shut:
			return
		case awake:
			if w.state.CompareAndSwap(awake, woken) {
				return
			}
		case asleep:
			w.writers.Add(1)
			won := w.state.CompareAndSwap(asleep, woken)
			if won {
				w.write()
			}
			w.writers.Add(-1)
			if won {
				return
			}
		}
	}
}

// write makes fd readable anew. Only reset reads it: its counter would overflow after 2^64 wake-ups.
func (w *wake) write() {
	w.calls.Add(1)
	unix.RawSyscall(unix.SYS_WRITE, uintptr(w.fd), uintptr(unsafe.Pointer(&w.one)), unsafe.Sizeof(w.one))
}

// sleep announces that Wait is about to sleep; false: a Wake came first.
func (w *wake) sleep() bool { return w.state.CompareAndSwap(awake, asleep) }

// consume takes note of a Wake and reports whether there was one. Only Close sets shut, on the same
// goroutine and later.
func (w *wake) consume() bool {
	if w.state.Load() == awake {
		return false
	}
	return w.state.Swap(awake) == woken
}

// reset makes fd unreadable, for wait, before the core announces that it sleeps. A write that comes late
// from an earlier Wake ends the next wait early, nothing else.
func (w *wake) reset() {
	var count uint64
	unix.RawSyscall(unix.SYS_READ, uintptr(w.fd), uintptr(unsafe.Pointer(&count)), unsafe.Sizeof(count))
}

// wait sleeps until fd is written to, without the ring; see poll(2).
func (w *wake) wait(timeout time.Duration) {
	ms := int((timeout + time.Millisecond - 1) / time.Millisecond)
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, ms) // EINTR: early is allowed
}

// stop makes Wake do nothing and waits for those that have begun: a late write would hit whatever
// descriptor has got the number by then.
func (w *wake) stop() {
	w.state.Store(shut)
	for w.writers.Load() != 0 {
		runtime.Gosched()
	}
}

func (w *wake) release() {
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
}

// armWake puts the poll on the eventfd into the ring. Without a place it stays disarmed, and as long
// as it is, Wait does not sleep.
func (d *Driver) armWake() {
	s := d.nextSQE()
	if s == nil {
		return
	}
	s.PrepPollMulti(int32(d.wake.fd), wakeToken)
	d.wake.armed = true
}
