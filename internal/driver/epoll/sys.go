package epoll

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below never wait, so they do not tell the scheduler; x/sys has no form of them that neither
// does nor allocates. They are safe on a goroutine's stack, which does not move during a system call.

// rawSendMax is how many bytes are sent without telling the scheduler: about 10 µs of copying.
const rawSendMax = 64 << 10

const sendFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

// trySend is send(2) of what fits.
func trySend(fd int32, p []byte) (int, unix.Errno) {
	var n uintptr
	var errno unix.Errno
	addr := unsafe.Pointer(unsafe.SliceData(p))
	if len(p) <= rawSendMax {
		n, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(addr), uintptr(len(p)), sendFlags, 0, 0)
	} else {
		n, _, errno = unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(addr), uintptr(len(p)), sendFlags, 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// TrySend writes p without waiting and without a completion.
func (d *Driver) TrySend(fd int, p []byte) (int, unix.Errno) { return trySend(int32(fd), p) }

// recv is recv(2) of what is there: 0 and no errno is end of file.
func recv(fd int32, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// accept is accept4(2) without the peer's address, which few ask for (Peername).
func accept(fd int32) (int, unix.Errno) {
	const flags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, flags, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), 0
}

// connect is connect(2) with a raw sockaddr.
func connect(fd int32, sockaddr []byte) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(sockaddr))), uintptr(len(sockaddr)))
	return errno
}
