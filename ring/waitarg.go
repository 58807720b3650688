package ring

import "unsafe"

// registerWait registers the second page of args as the region that holds the argument of every sleep. The kernel
// takes it only from a ring that is not enabled yet, because nobody may sleep on it meanwhile. Before 6.13 there is
// no such call, and the ring works without. See io_uring_register(2), IORING_REGISTER_MEM_REGION.
func (r *Ring) registerWait() {
	type arg struct {
		reg  memRegionReg
		desc memRegionDesc
	}
	a := registerArg[arg](r)
	a.desc = memRegionDesc{addr: uint64(uintptr(unsafe.Add(r.args.base, argRegWait))), size: argRegWaitBytes, flags: memRegionUser}
	a.reg = memRegionReg{desc: uint64(uintptr(unsafe.Pointer(&a.desc))), flags: memRegionWaitArg}
	if _, errno := r.register(registerMemRegion, unsafe.Pointer(&a.reg), 1); errno == 0 {
		r.regWait = (*regWait)(unsafe.Add(r.args.base, argRegWait))
		r.regWait.flags = regWaitTimeout
	}
}

// enable starts a ring that was set up disabled; the calling thread becomes its only issuer.
func (r *Ring) enable() error {
	if _, errno := r.register(registerEnableRings, nil, 0); errno != 0 {
		return explain("io_uring_register(ENABLE_RINGS)", errno, 0, gather())
	}
	return nil
}
