package ring

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unsafe"
)

// Every prep function must write all 64 bytes: a slot is used again, and a stale field is a stale flag.
func TestPrepWritesEveryByte(t *testing.T) {
	buf := []byte("payload")
	at := uint64(uintptr(unsafe.Pointer(&buf[0])))
	const ud = 0x1122334455667788
	// want is made from the header's offsets, independently of the SQE type.
	want := func(opcode, flags byte, ioprio uint16, fd int32, off, addr uint64, n, opFlags uint32, group uint16) []byte {
		e := make([]byte, 64)
		e[0], e[1] = opcode, flags
		binary.NativeEndian.PutUint16(e[2:], ioprio)
		binary.NativeEndian.PutUint32(e[4:], uint32(fd))
		binary.NativeEndian.PutUint64(e[8:], off)
		binary.NativeEndian.PutUint64(e[16:], addr)
		binary.NativeEndian.PutUint32(e[24:], n)
		binary.NativeEndian.PutUint32(e[28:], opFlags)
		binary.NativeEndian.PutUint64(e[32:], ud)
		binary.NativeEndian.PutUint16(e[40:], group)
		return e
	}
	const nosignal, cloexec, nonblock, pollin = 0x4000, 0o2000000, 0o4000, 1
	for name, x := range map[string]struct {
		prep func(s *SQE)
		want []byte
	}{
		"nop":        {func(s *SQE) { s.PrepNop(ud) }, want(0, 0, 0, -1, 0, 0, 0, 0, 0)},
		"accept":     {func(s *SQE) { s.PrepAccept(7, ud) }, want(13, 0, 1, 7, 0, 0, 0, cloexec|nonblock, 0)},
		"accept one": {func(s *SQE) { s.PrepAcceptOnce(7, ud) }, want(13, 0, 0, 7, 0, 0, 0, cloexec|nonblock, 0)},
		"recv":       {func(s *SQE) { s.PrepRecv(7, 3, ud) }, want(27, 1<<5, 0, 7, 0, 0, 0, 0, 3)},
		"recv multi": {func(s *SQE) { s.PrepRecvMulti(7, 3, ud) }, want(27, 1<<5, 2, 7, 0, 0, 0, 0, 3)},
		"send":       {func(s *SQE) { s.PrepSend(7, buf, ud) }, want(26, 0, 0, 7, 0, at, 7, nosignal, 0)},
		"connect":    {func(s *SQE) { s.PrepConnect(7, buf, ud) }, want(16, 0, 0, 7, 7, at, 0, 0, 0)},
		"cancel":     {func(s *SQE) { s.PrepCancel(99, ud) }, want(14, 0, 0, -1, 0, 99, 0, 0, 0)},
		"cancel any": {func(s *SQE) { s.PrepCancelAny(ud) }, want(14, 0, 0, -1, 0, 0, 0, 1|4, 0)},
		"read":       {func(s *SQE) { s.PrepRead(7, buf, ud) }, want(22, 0, 0, 7, ^uint64(0), at, 7, 0, 0)},
		"poll":       {func(s *SQE) { s.PrepPollMulti(7, ud) }, want(6, 0, 0, 7, 0, 0, 1, pollin, 0)},
	} {
		var s SQE
		raw := unsafe.Slice((*byte)(unsafe.Pointer(&s)), 64)
		for i := range raw {
			raw[i] = 0xff
		}
		x.prep(&s)
		if !bytes.Equal(raw, x.want) {
			t.Errorf("%s:\n got %x\nwant %x", name, raw, x.want)
		}
	}
}
