package main

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawEcho is the echo that somebody would write by hand for this one purpose: one locked thread, one epoll, level
// triggered (the next wait finds what one read left), one buffer, no timers, no limits. What epoll allows in Go.
func rawEcho() error {
	runtime.LockOSThread()
	ln, err := rawListen()
	if err != nil {
		return err
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := watch(ep, ln); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	events := make([]unix.EpollEvent, 256)
	for {
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), ^uintptr(0), 0, 0)
		if errno == unix.EINTR { // n is no count then
			continue
		}
		if errno != 0 {
			return errno
		}
		for _, e := range events[:n] {
			if int(e.Fd) == ln {
				if err := rawAccept(ep, ln); err != nil {
					return err
				}
				continue
			}
			rawServe(uintptr(e.Fd), buf)
		}
	}
}

func rawListen() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return -1, err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return -1, err
	}
	if err := unix.Listen(fd, 4096); err != nil {
		return -1, err
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return -1, err
	}
	fmt.Printf("127.0.0.1:%d\n", at.(*unix.SockaddrInet4).Port)
	return fd, nil
}

func watch(ep, fd int) error {
	return unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func rawAccept(ep, ln int) error {
	fd, _, err := unix.Accept4(ln, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return err
	}
	return watch(ep, fd)
}

// rawServe answers one message. A reply that does not fit ends the connection: nobody here sends so much.
func rawServe(fd uintptr, buf []byte) {
	p := uintptr(unsafe.Pointer(&buf[0]))
	n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, p, uintptr(len(buf)))
	if errno == 0 && n > 0 {
		m, _, errno := unix.RawSyscall(unix.SYS_WRITE, fd, p, n)
		if errno == 0 && m == n {
			return
		}
	}
	unix.Close(int(fd))
}
