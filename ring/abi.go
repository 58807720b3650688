package ring

import "unsafe"

// SQE is one submission queue entry, struct io_uring_sqe of <linux/io_uring.h>. Only the prep functions
// fill one; each overwrites all 64 bytes, because the slots are used again and again and the kernel reads
// every field an op knows.
type SQE struct {
	Opcode      uint8
	Flags       uint8
	IOPrio      uint16 // op-specific flags of accept, recv and send
	FD          int32
	Off         uint64 // also addr2, and the address length of connect
	Addr        uint64
	Len         uint32
	OpFlags     uint32 // msg_flags, accept_flags, poll32_events, cancel_flags, ...
	UserData    uint64
	BufGroup    uint16 // also buf_index
	Personality uint16
	FileIndex   uint32 // also splice_fd_in
	Addr3       uint64
	pad         uint64
}

// CQE is one completion queue entry, struct io_uring_cqe.
type CQE struct {
	UserData uint64
	Res      int32 // >= 0: as the system call; < 0: -errno
	Flags    uint32
}

// More reports whether the op stays armed and will post again (IORING_CQE_F_MORE).
func (c CQE) More() bool { return c.Flags&cqeFMore != 0 }

// Buffer returns the id of the provided buffer that the kernel took for this completion.
func (c CQE) Buffer() (bid uint16, ok bool) {
	return uint16(c.Flags >> cqeBufferShift), c.Flags&cqeFBuffer != 0
}

// sqOffsets, cqOffsets and params are struct io_sqring_offsets, io_cqring_offsets and io_uring_params.
type sqOffsets struct {
	head, tail, ringMask, ringEntries, flags, dropped, array, resv1 uint32
	userAddr                                                        uint64
}

type cqOffsets struct {
	head, tail, ringMask, ringEntries, overflow, cqes, flags, resv1 uint32
	userAddr                                                        uint64
}

type params struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	resv                                                                   [3]uint32
	sqOff                                                                  sqOffsets
	cqOff                                                                  cqOffsets
}

// timespec is struct __kernel_timespec.
type timespec struct{ sec, nsec int64 }

// geteventsArg is struct io_uring_getevents_arg, what IORING_ENTER_EXT_ARG points to.
type geteventsArg struct {
	sigmask     uint64
	sigmaskSize uint32
	minWaitUsec uint32
	ts          uint64
}

// regWait is struct io_uring_reg_wait: a geteventsArg and its timespec that the kernel reads where they lie.
type regWait struct {
	ts          timespec
	minWaitUsec uint32
	flags       uint32
	sigmask     uint64
	sigmaskSize uint32
	pad         [3]uint32
	pad2        [2]uint64
}

// restriction is struct io_uring_restriction; value is a register op, an opcode or entry flags.
type restriction struct {
	opcode uint16
	value  uint8
	resv   uint8
	resv2  [3]uint32
}

// memRegionReg is struct io_uring_mem_region_reg, memRegionDesc struct io_uring_region_desc.
type memRegionReg struct {
	desc  uint64
	flags uint64
	resv  [2]uint64
}

type memRegionDesc struct {
	addr, size uint64
	flags, id  uint32
	mmapOffset uint64
	resv       [4]uint64
}

// bufEntry is struct io_uring_buf, one slot of a provided buffer ring. In slot 0 resv is the ring's tail.
type bufEntry struct {
	addr uint64
	len  uint32
	bid  uint16
	resv uint16
}

// bufReg is struct io_uring_buf_reg.
type bufReg struct {
	ringAddr    uint64
	ringEntries uint32
	bgid        uint16
	flags       uint16
	resv        [3]uint64
}

// rsrcUpdate is struct io_uring_rsrc_update, the argument of IORING_REGISTER_RING_FDS.
type rsrcUpdate struct {
	offset uint32
	resv   uint32
	data   uint64
}

// probe is struct io_uring_probe with room for every opcode.
type probe struct {
	lastOp, opsLen uint8
	resv           uint16
	resv2          [3]uint32
	ops            [256]probeOp
}

type probeOp struct {
	op, resv uint8
	flags    uint16
	resv2    uint32
}

// Sizes are the kernel's ABI: each line fails to compile when a size differs.
var (
	_ [64]byte   = [unsafe.Sizeof(SQE{})]byte{}
	_ [16]byte   = [unsafe.Sizeof(CQE{})]byte{}
	_ [40]byte   = [unsafe.Sizeof(sqOffsets{})]byte{}
	_ [40]byte   = [unsafe.Sizeof(cqOffsets{})]byte{}
	_ [120]byte  = [unsafe.Sizeof(params{})]byte{}
	_ [16]byte   = [unsafe.Sizeof(timespec{})]byte{}
	_ [24]byte   = [unsafe.Sizeof(geteventsArg{})]byte{}
	_ [64]byte   = [unsafe.Sizeof(regWait{})]byte{}
	_ [16]byte   = [unsafe.Sizeof(restriction{})]byte{}
	_ [32]byte   = [unsafe.Sizeof(memRegionReg{})]byte{}
	_ [64]byte   = [unsafe.Sizeof(memRegionDesc{})]byte{}
	_ [16]byte   = [unsafe.Sizeof(bufEntry{})]byte{}
	_ [40]byte   = [unsafe.Sizeof(bufReg{})]byte{}
	_ [16]byte   = [unsafe.Sizeof(rsrcUpdate{})]byte{}
	_ [2064]byte = [unsafe.Sizeof(probe{})]byte{}
)
