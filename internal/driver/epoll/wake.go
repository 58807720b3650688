package epoll

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The states of wake.state:
//
//	awake ──Wait──▶ asleep ──Wake, which writes──▶ woken ──Wait──▶ awake
//	  └──────────────Wake, no system call──────────▶ ┘
//
// No wake-up is lost: Wait reaches asleep only from awake, so a Wake before it keeps it from sleeping and
// a Wake after it writes to the eventfd, which ends the sleep or keeps it from beginning.
const (
	awake uint32 = iota
	asleep
	woken
)

// wake is the way from other goroutines into a sleeping Wait.
type wake struct {
	_     [64]byte // other threads write here: keep the core's own fields off this cache line
	state atomic.Uint32
	calls atomic.Uint64
	mu    sync.Mutex // fd while it is written to or closed; only a Wake that found a sleeper takes it
	fd    int        // -1: closed
	_     [64]byte
}

func (w *wake) open() (err error) {
	w.fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return err
}

// Wake makes a Wait that sleeps, or the next one, return. Any goroutine, also after Close.
func (d *Driver) Wake() {
	w := &d.wake
	if w.state.Load() == woken || w.state.Swap(woken) != asleep {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd >= 0 {
		w.calls.Add(1)
		w.write()
	}
}

// write makes an edge. The eventfd is never read: its counter would overflow after 2^64 wake-ups.
func (w *wake) write() {
	one := uint64(1)
	unix.RawSyscall(unix.SYS_WRITE, uintptr(w.fd), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
}

// sleep announces that Wait is about to sleep; false: a Wake came first.
func (w *wake) sleep() bool { return w.state.CompareAndSwap(awake, asleep) }

// consume takes note of a Wake, if there was one.
func (w *wake) consume() {
	if w.state.Load() != awake {
		w.state.Store(awake)
	}
}

// close waits for a Wake that is writing: a late write would hit whatever has got the number by then.
func (w *wake) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd >= 0 {
		_ = unix.Close(w.fd)
		w.fd = -1
	}
}
