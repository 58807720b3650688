package ring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The prep functions, one per op. Each writes the whole entry: a field left over from the slot's last use
// would be read as a flag of the new op. Addresses go to the kernel as numbers, so the garbage collector
// does not see them: what they point to must be mmap'd, or held on the heap by its owner until the op's
// final completion, and never be a goroutine's stack.

// PrepNop completes at once with 0.
func (s *SQE) PrepNop(userData uint64) {
	*s = SQE{Opcode: opNop, FD: -1, UserData: userData}
}

// PrepAccept takes connections from the listener fd until it ends: one completion each, Res = the new
// descriptor, close-on-exec and non-blocking. The last completion may carry a descriptor too. See
// io_uring_prep_multishot_accept(3).
func (s *SQE) PrepAccept(fd int32, userData uint64) {
	*s = SQE{Opcode: opAccept, IOPrio: acceptMultishot, FD: fd, OpFlags: unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, UserData: userData}
}

// PrepAcceptOnce takes one connection, as PrepAccept. See io_uring_prep_accept(3).
func (s *SQE) PrepAcceptOnce(fd int32, userData uint64) {
	*s = SQE{Opcode: opAccept, FD: fd, OpFlags: unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, UserData: userData}
}

// PrepRecv receives once into a buffer of group. See io_uring_prep_recv(3).
func (s *SQE) PrepRecv(fd int32, group uint16, userData uint64) {
	*s = SQE{Opcode: opRecv, Flags: sqeBufferSelect, FD: fd, BufGroup: group, UserData: userData}
}

// PrepRecvMulti receives into buffers of group until it ends. See io_uring_prep_recv_multishot(3).
func (s *SQE) PrepRecvMulti(fd int32, group uint16, userData uint64) {
	*s = SQE{Opcode: opRecv, Flags: sqeBufferSelect, IOPrio: recvMultishot, FD: fd, BufGroup: group, UserData: userData}
}

// PrepSend sends p; a short result is legal. p must be pinned by the caller until the completion. A
// vanished peer is EPIPE, never a signal. See io_uring_prep_send(3).
func (s *SQE) PrepSend(fd int32, p []byte, userData uint64) {
	*s = SQE{Opcode: opSend, FD: fd, Addr: addrOf(p), Len: uint32(len(p)), OpFlags: unix.MSG_NOSIGNAL, UserData: userData}
}

// PrepConnect connects fd to the raw sockaddr, pinned by the caller until the completion. See
// io_uring_prep_connect(3).
func (s *SQE) PrepConnect(fd int32, sockaddr []byte, userData uint64) {
	*s = SQE{Opcode: opConnect, FD: fd, Addr: addrOf(sockaddr), Off: uint64(len(sockaddr)), UserData: userData}
}

// PrepCancel cancels the op whose user data is target: Res 0, -ENOENT (it has ended) or -EALREADY (it
// cannot be stopped any more). The target posts its own final completion. See io_uring_prep_cancel64(3).
func (s *SQE) PrepCancel(target, userData uint64) {
	*s = SQE{Opcode: opAsyncCancel, FD: -1, Addr: target, UserData: userData}
}

// PrepCancelAny cancels every op of the ring.
func (s *SQE) PrepCancelAny(userData uint64) {
	*s = SQE{Opcode: opAsyncCancel, FD: -1, OpFlags: cancelAny | cancelAll, UserData: userData}
}

// PrepRead reads into p at the file's own position; p must be pinned by the caller until the completion.
// See io_uring_prep_read(3).
func (s *SQE) PrepRead(fd int32, p []byte, userData uint64) {
	*s = SQE{Opcode: opRead, FD: fd, Off: ^uint64(0), Addr: addrOf(p), Len: uint32(len(p)), UserData: userData}
}

// PrepPollMulti posts whenever fd becomes readable anew, until it ends. On an eventfd that is one
// completion per write (or per burst of writes), with nothing to read and nothing to re-arm. See
// io_uring_prep_poll_multishot(3).
func (s *SQE) PrepPollMulti(fd int32, userData uint64) {
	*s = SQE{Opcode: opPollAdd, FD: fd, Len: pollAddMulti, OpFlags: unix.POLLIN, UserData: userData}
}

func addrOf(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }
