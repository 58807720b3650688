package ring

import "golang.org/x/sys/unix"

// The prep functions, one per op. Each writes the whole entry: a field left over from the slot's last use
// would be read as a flag of the new op. Addresses go to the kernel as numbers, so the garbage collector
// does not see them: what they point to must be mmap'd, or held on the heap by its owner until the op's
// final completion, and never be a goroutine's stack.

// PrepNop completes at once with 0.
func (s *SQE) PrepNop(userData uint64) { encoder{}.nop(s, userData) }

// PrepAccept takes connections from the listener fd until it ends: one completion each, Res = the new
// descriptor, close-on-exec and non-blocking. The last completion may carry a descriptor too. See
// io_uring_prep_multishot_accept(3).
func (s *SQE) PrepAccept(fd int32, userData uint64) { encoder{}.accept(s, fd, userData) }

// PrepAcceptOnce takes one connection, as PrepAccept. See io_uring_prep_accept(3).
func (s *SQE) PrepAcceptOnce(fd int32, userData uint64) { encoder{}.acceptOnce(s, fd, userData) }

// PrepRecv receives once into a buffer of group. See io_uring_prep_recv(3).
func (s *SQE) PrepRecv(fd int32, group uint16, userData uint64) {
	encoder{}.recv(s, fd, group, userData)
}

// PrepRecvMulti receives into buffers of group until it ends. See io_uring_prep_recv_multishot(3).
func (s *SQE) PrepRecvMulti(fd int32, group uint16, userData uint64) {
	encoder{}.recvMulti(s, fd, group, userData)
}

// PrepSend sends p; a short result is legal. p must be pinned by the caller until the completion. A
// vanished peer is EPIPE, never a signal. See io_uring_prep_send(3).
func (s *SQE) PrepSend(fd int32, p []byte, userData uint64) { encoder{}.send(s, fd, p, userData) }

// PrepConnect connects fd to the raw sockaddr, pinned by the caller until the completion. See
// io_uring_prep_connect(3).
func (s *SQE) PrepConnect(fd int32, sockaddr []byte, userData uint64) {
	encoder{}.connect(s, fd, sockaddr, userData)
}

// PrepCancel cancels the op whose user data is target: Res 0, -ENOENT (it has ended) or -EALREADY (it
// cannot be stopped any more). The target posts its own final completion. See io_uring_prep_cancel64(3).
func (s *SQE) PrepCancel(target, userData uint64) { encoder{}.cancel(s, target, userData) }

// PrepCancelAny cancels every op of the ring.
func (s *SQE) PrepCancelAny(userData uint64) { encoder{}.cancelAny(s, userData) }

// PrepRead reads into p at the file's own position; p must be pinned by the caller until the completion.
// See io_uring_prep_read(3).
func (s *SQE) PrepRead(fd int32, p []byte, userData uint64) { encoder{}.read(s, fd, p, userData) }

// PrepPollMulti posts whenever fd becomes readable anew, until it ends. On an eventfd that is one
// completion per write (or per burst of writes), with nothing to read and nothing to re-arm. See
// io_uring_prep_poll_multishot(3).
func (s *SQE) PrepPollMulti(fd int32, userData uint64) { encoder{}.pollMulti(s, fd, userData) }

// PrepTimeout completes with -ETIME when wait has passed. wait must be on the heap or mmap'd until the entry was
// submitted, which reads it. See io_uring_prep_timeout(3).
func (s *SQE) PrepTimeout(wait *unix.Timespec, userData uint64) { encoder{}.timeout(s, wait, userData) }
