package ring

import (
	"testing"
	"unsafe"
)

// The offsets of <linux/io_uring.h>; the sizes are asserted at compile time in abi.go.
func TestOffsets(t *testing.T) {
	var (
		s  SQE
		c  CQE
		p  params
		so sqOffsets
		co cqOffsets
		g  geteventsArg
		b  bufEntry
		r  bufReg
		u  rsrcUpdate
		pr probe
		po probeOp
	)
	for name, x := range map[string]struct{ got, want uintptr }{
		"sqe.opcode": {unsafe.Offsetof(s.Opcode), 0}, "sqe.flags": {unsafe.Offsetof(s.Flags), 1}, "sqe.ioprio": {unsafe.Offsetof(s.IOPrio), 2},
		"sqe.fd": {unsafe.Offsetof(s.FD), 4}, "sqe.off": {unsafe.Offsetof(s.Off), 8}, "sqe.addr": {unsafe.Offsetof(s.Addr), 16},
		"sqe.len": {unsafe.Offsetof(s.Len), 24}, "sqe.msg_flags": {unsafe.Offsetof(s.OpFlags), 28}, "sqe.user_data": {unsafe.Offsetof(s.UserData), 32},
		"sqe.buf_group": {unsafe.Offsetof(s.BufGroup), 40}, "sqe.personality": {unsafe.Offsetof(s.Personality), 42},
		"sqe.file_index": {unsafe.Offsetof(s.FileIndex), 44}, "sqe.addr3": {unsafe.Offsetof(s.Addr3), 48},
		"cqe.res": {unsafe.Offsetof(c.Res), 8}, "cqe.flags": {unsafe.Offsetof(c.Flags), 12},
		"params.cq_entries": {unsafe.Offsetof(p.cqEntries), 4}, "params.flags": {unsafe.Offsetof(p.flags), 8}, "params.features": {unsafe.Offsetof(p.features), 20},
		"params.wq_fd": {unsafe.Offsetof(p.wqFD), 24}, "params.sq_off": {unsafe.Offsetof(p.sqOff), 40}, "params.cq_off": {unsafe.Offsetof(p.cqOff), 80},
		"sq_off.ring_mask": {unsafe.Offsetof(so.ringMask), 8}, "sq_off.flags": {unsafe.Offsetof(so.flags), 16}, "sq_off.array": {unsafe.Offsetof(so.array), 24},
		"cq_off.overflow": {unsafe.Offsetof(co.overflow), 16}, "cq_off.cqes": {unsafe.Offsetof(co.cqes), 20}, "cq_off.flags": {unsafe.Offsetof(co.flags), 24},
		"getevents.sigmask_sz": {unsafe.Offsetof(g.sigmaskSize), 8}, "getevents.min_wait": {unsafe.Offsetof(g.minWaitUsec), 12}, "getevents.ts": {unsafe.Offsetof(g.ts), 16},
		"buf.len": {unsafe.Offsetof(b.len), 8}, "buf.bid": {unsafe.Offsetof(b.bid), 12}, "buf_ring.tail": {unsafe.Offsetof(b.resv), 14},
		"buf_reg.ring_entries": {unsafe.Offsetof(r.ringEntries), 8}, "buf_reg.bgid": {unsafe.Offsetof(r.bgid), 12}, "buf_reg.flags": {unsafe.Offsetof(r.flags), 14},
		"rsrc_update.data": {unsafe.Offsetof(u.data), 8},
		"probe.ops":        {unsafe.Offsetof(pr.ops), 16}, "probe_op.flags": {unsafe.Offsetof(po.flags), 2},
	} {
		if x.got != x.want {
			t.Errorf("%s at %d, the kernel has it at %d", name, x.got, x.want)
		}
	}
}
