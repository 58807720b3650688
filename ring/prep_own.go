package ring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ownEncoder writes entries as the kernel's header has them (<linux/io_uring.h>), every one of the 64 bytes.
type ownEncoder struct{}

func (ownEncoder) nop(s *SQE, userData uint64) {
	*s = SQE{Opcode: opNop, FD: -1, UserData: userData}
}

func (ownEncoder) accept(s *SQE, fd int32, userData uint64) {
	*s = SQE{Opcode: opAccept, IOPrio: acceptMultishot, FD: fd, OpFlags: unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, UserData: userData}
}

func (ownEncoder) acceptOnce(s *SQE, fd int32, userData uint64) {
	*s = SQE{Opcode: opAccept, FD: fd, OpFlags: unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, UserData: userData}
}

func (ownEncoder) recv(s *SQE, fd int32, group uint16, userData uint64) {
	*s = SQE{Opcode: opRecv, Flags: sqeBufferSelect, FD: fd, BufGroup: group, UserData: userData}
}

func (ownEncoder) recvMulti(s *SQE, fd int32, group uint16, userData uint64) {
	*s = SQE{Opcode: opRecv, Flags: sqeBufferSelect, IOPrio: recvMultishot, FD: fd, BufGroup: group, UserData: userData}
}

func (ownEncoder) send(s *SQE, fd int32, p []byte, userData uint64) {
	*s = SQE{Opcode: opSend, FD: fd, Addr: addrOf(p), Len: uint32(len(p)), OpFlags: unix.MSG_NOSIGNAL, UserData: userData}
}

func (ownEncoder) connect(s *SQE, fd int32, sockaddr []byte, userData uint64) {
	*s = SQE{Opcode: opConnect, FD: fd, Addr: addrOf(sockaddr), Off: uint64(len(sockaddr)), UserData: userData}
}

func (ownEncoder) cancel(s *SQE, target, userData uint64) {
	*s = SQE{Opcode: opAsyncCancel, FD: -1, Addr: target, UserData: userData}
}

func (ownEncoder) cancelAny(s *SQE, userData uint64) {
	*s = SQE{Opcode: opAsyncCancel, FD: -1, OpFlags: cancelAny | cancelAll, UserData: userData}
}

func (ownEncoder) read(s *SQE, fd int32, p []byte, userData uint64) {
	*s = SQE{Opcode: opRead, FD: fd, Off: ^uint64(0), Addr: addrOf(p), Len: uint32(len(p)), UserData: userData}
}

func (ownEncoder) pollMulti(s *SQE, fd int32, userData uint64) {
	*s = SQE{Opcode: opPollAdd, FD: fd, Len: pollAddMulti, OpFlags: unix.POLLIN, UserData: userData}
}

func (ownEncoder) timeout(s *SQE, wait *unix.Timespec, userData uint64) {
	*s = SQE{Opcode: opTimeout, FD: -1, Addr: uint64(uintptr(unsafe.Pointer(wait))), Len: 1, UserData: userData}
}

func addrOf(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }
