//go:build giouring

package ring

import (
	"unsafe"

	"github.com/pawelgaczynski/giouring"
	"golang.org/x/sys/unix"
)

// encoder writes the entries of this build: giouring's where they are right, ours else. A binary with this tag links
// with -ldflags=-checklinkname=0 only.
type encoder = giouringEncoder

// giouringEncoder calls those prep functions of giouring that write what the kernel expects. They leave some fields of
// a used slot as they were, so the entry is zeroed first. Connect and timeout stay ours: giouring passes the address of
// its own argument there, not what that points to.
type giouringEncoder struct{ ownEncoder }

// The two types are one memory layout; each line fails to compile when a size or an offset differs.
var (
	_ [unsafe.Sizeof(SQE{})]byte             = [unsafe.Sizeof(giouring.SubmissionQueueEntry{})]byte{}
	_ [unsafe.Offsetof(SQE{}.IOPrio)]byte    = [unsafe.Offsetof(giouring.SubmissionQueueEntry{}.IoPrio)]byte{}
	_ [unsafe.Offsetof(SQE{}.FD)]byte        = [unsafe.Offsetof(giouring.SubmissionQueueEntry{}.Fd)]byte{}
	_ [unsafe.Offsetof(SQE{}.Off)]byte       = [unsafe.Offsetof(giouring.SubmissionQueueEntry{}.Off)]byte{}
	_ [unsafe.Offsetof(SQE{}.Addr)]byte      = [unsafe.Offsetof(giouring.SubmissionQueueEntry{}.Addr)]byte{}
	_ [unsafe.Offsetof(SQE{}.Len)]byte       = [unsafe.Offsetof(giouring.SubmissionQueueEntry{}.Len)]byte{}
	_ [unsafe.Offsetof(SQE{}.OpFlags)]byte   = [unsafe.Offsetof(giouring.SubmissionQueueEntry{}.OpcodeFlags)]byte{}
	_ [unsafe.Offsetof(SQE{}.UserData)]byte  = [unsafe.Offsetof(giouring.SubmissionQueueEntry{}.UserData)]byte{}
	_ [unsafe.Offsetof(SQE{}.BufGroup)]byte  = [unsafe.Offsetof(giouring.SubmissionQueueEntry{}.BufIG)]byte{}
	_ [unsafe.Offsetof(SQE{}.FileIndex)]byte = [unsafe.Offsetof(giouring.SubmissionQueueEntry{}.SpliceFdIn)]byte{}
	_ [unsafe.Offsetof(SQE{}.Addr3)]byte     = [unsafe.Offsetof(giouring.SubmissionQueueEntry{}.Addr3)]byte{}
)

// zeroed is s as giouring sees it, with nothing left of the slot's last use.
func zeroed(s *SQE) *giouring.SubmissionQueueEntry {
	*s = SQE{}
	return (*giouring.SubmissionQueueEntry)(unsafe.Pointer(s))
}

func (giouringEncoder) nop(s *SQE, userData uint64) {
	zeroed(s).PrepareNop()
	s.UserData = userData
}

func (giouringEncoder) accept(s *SQE, fd int32, userData uint64) {
	zeroed(s).PrepareMultishotAccept(int(fd), 0, 0, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	s.UserData = userData
}

func (giouringEncoder) acceptOnce(s *SQE, fd int32, userData uint64) {
	zeroed(s).PrepareAccept(int(fd), 0, 0, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	s.UserData = userData
}

func (giouringEncoder) recv(s *SQE, fd int32, group uint16, userData uint64) {
	zeroed(s).PrepareRecv(int(fd), 0, 0, 0)
	s.Flags, s.BufGroup, s.UserData = sqeBufferSelect, group, userData
}

func (giouringEncoder) recvMulti(s *SQE, fd int32, group uint16, userData uint64) {
	zeroed(s).PrepareRecvMultishot(int(fd), 0, 0, 0)
	s.Flags, s.BufGroup, s.UserData = sqeBufferSelect, group, userData
}

func (giouringEncoder) send(s *SQE, fd int32, p []byte, userData uint64) {
	zeroed(s).PrepareSend(int(fd), uintptr(addrOf(p)), uint32(len(p)), unix.MSG_NOSIGNAL)
	s.UserData = userData
}

func (giouringEncoder) cancel(s *SQE, target, userData uint64) {
	zeroed(s).PrepareCancel64(target, 0)
	s.UserData = userData
}

func (giouringEncoder) cancelAny(s *SQE, userData uint64) {
	zeroed(s).PrepareCancel64(0, cancelAny|cancelAll)
	s.UserData = userData
}

func (giouringEncoder) read(s *SQE, fd int32, p []byte, userData uint64) {
	zeroed(s).PrepareRead(int(fd), uintptr(addrOf(p)), uint32(len(p)), ^uint64(0))
	s.UserData = userData
}

func (giouringEncoder) pollMulti(s *SQE, fd int32, userData uint64) {
	zeroed(s).PreparePollMultishot(int(fd), unix.POLLIN)
	s.UserData = userData
}
