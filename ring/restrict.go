package ring

import "unsafe"

// restrict makes an allow-list of the ring (IORING_REGISTER_RESTRICTIONS, io_uring_register(2)): network operations,
// cancel, poll, timeout, and the register calls for buffer groups and the ring's own descriptor. Whoever got hold of the ring
// could open no file, start no command, pass no descriptor. The kernel takes it only before the ring is enabled, and
// nothing takes it back. Anything else answers -EACCES from then on.
func (r *Ring) restrict() error {
	list := registerArg[[restrictionsMax]restriction](r)
	n := 0
	for _, group := range []struct {
		opcode uint16
		values []uint8
	}{
		{restrictSQEOp, []uint8{opNop, opPollAdd, opTimeout, opAccept, opAsyncCancel, opConnect, opRead, opSend, opRecv}},
		{restrictRegisterOp, []uint8{registerPbufRing, unregisterPbufRing, registerRingFDs, unregisterRingFDs}},
		{restrictSQEFlags, []uint8{sqeBufferSelect}},
	} {
		for _, v := range group.values {
			list[n] = restriction{opcode: group.opcode, value: v}
			n++
		}
	}
	if _, errno := r.register(registerRestrict, unsafe.Pointer(list), n); errno != 0 {
		return explain("io_uring_register(RESTRICTIONS)", errno, 0, gather())
	}
	return nil
}

const restrictionsMax = 16
