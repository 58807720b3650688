package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// generator keeps one message under way on each of its connections, from one epoll loop: cheap enough to keep the
// server busy from a single CPU.
type generator struct {
	epoll  int
	size   int
	fds    []int
	got    map[int]int // bytes of the current echo that have come back
	events []unix.EpollEvent
	buf    []byte
}

// generate serves the parent: a line with a number of echoes comes in, a line goes out when they are done.
func generate(addr string, conns, size int) error {
	g := &generator{size: size, got: map[int]int{}, events: make([]unix.EpollEvent, 256), buf: make([]byte, size)}
	if err := g.open(addr, conns); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		n, err := strconv.Atoi(in.Text())
		if err != nil {
			return err
		}
		if err := g.run(n); err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}

func (g *generator) open(addr string, conns int) (err error) {
	if g.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	a, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}
	for range conns {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, to); err != nil {
			return fmt.Errorf("connect to %s: %w", addr, err)
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err := unix.EpollCtl(g.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			return err
		}
		g.fds = append(g.fds, fd)
	}
	return nil
}

// run makes n echoes and leaves nothing under way. REQUIRES: n >= len(g.fds).
func (g *generator) run(n int) error {
	begun, done := 0, 0
	for _, fd := range g.fds {
		if err := g.send(fd); err != nil {
			return err
		}
		begun++
	}
	for done < n {
		k, err := unix.EpollWait(g.epoll, g.events, 10_000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || k == 0 {
			return fmt.Errorf("%d of %d echoes came back, then nothing for 10 s: %w", done, n, errors.Join(err, unix.ETIMEDOUT))
		}
		for _, e := range g.events[:k] {
			whole, err := g.receive(int(e.Fd))
			if err != nil {
				return err
			}
			if !whole {
				continue
			}
			if done++; begun < n {
				begun++
				if err := g.send(int(e.Fd)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (g *generator) send(fd int) error {
	if n, err := unix.Write(fd, g.buf); err != nil || n != g.size {
		return fmt.Errorf("sent %d of %d bytes: %w", n, g.size, err)
	}
	return nil
}

// receive reports whether the echo is whole.
func (g *generator) receive(fd int) (bool, error) {
	n, err := unix.Read(fd, g.buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return false, nil
	}
	if err != nil || n == 0 {
		return false, fmt.Errorf("the server closed a connection: %w", errors.Join(err, unix.ECONNRESET))
	}
	if g.got[fd] += n; g.got[fd] < g.size {
		return false, nil
	}
	g.got[fd] = 0
	return true, nil
}
