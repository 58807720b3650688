package ring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// registerArg returns the part of the argument page that register calls use, zeroed. Calls do not nest.
func registerArg[T any](r *Ring) *T {
	p := (*T)(unsafe.Add(r.args.base, argRegister))
	if argRegister+unsafe.Sizeof(*p) > argRegWait {
		panic("BUG: a register argument does not fit into its page")
	}
	*p = *new(T)
	return p
}

// register calls io_uring_register(2) by the real descriptor: before 6.3 a registered ring cannot be used
// here (IORING_FEAT_REG_REG_RING).
func (r *Ring) register(op uintptr, arg unsafe.Pointer, n int) (int, unix.Errno) {
	for {
		res, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), op, uintptr(arg), uintptr(n), 0, 0)
		if errno != unix.EINTR {
			return int(res), errno
		}
	}
}

// registerFD registers the ring's own descriptor with this thread, which spares every enter a look-up.
// A thread has 16 such places; without one the ring works as before.
func (r *Ring) registerFD() {
	up := registerArg[rsrcUpdate](r)
	up.offset, up.data = registerAnyIndex, uint64(r.fd)
	if n, errno := r.register(registerRingFDs, unsafe.Pointer(up), 1); errno != 0 || n != 1 {
		return
	}
	r.registered = true
	r.enterFD, r.enterFlags = uintptr(up.offset), enterRegisteredRing
}

// unregisterFD gives the place back; until then it would keep the ring alive after close.
func (r *Ring) unregisterFD() {
	if !r.registered {
		return
	}
	up := registerArg[rsrcUpdate](r)
	up.offset = uint32(r.enterFD)
	r.register(unregisterRingFDs, unsafe.Pointer(up), 1)
	r.registered = false
	r.enterFD, r.enterFlags = uintptr(r.fd), 0
}
