package load

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/epoll"
	"github.com/percore/percore/internal/driver/uring"
)

// generator keeps one message under way on each of its connections. It must cost less than the servers it loads:
// a server that waits for its load pays for falling asleep and waking up, and the faster one pays more. So it is
// a bare loop on percore's own driver.
type generator struct {
	driver driver.Driver
	size   int
	fds    []int
	got    []int // bytes of the current echo that have come back, by connection
	out    []driver.Completion
	buf    []byte
}

// loadStallMax ends a run in which nothing comes back any more.
const loadStallMax = 10 * time.Second

// Echoes opens conns connections to addr and serves the parent: a line with a number of echoes of size bytes comes in on
// stdin, a line goes out when they are done. It returns at the end of stdin. The number must be at least conns.
func Echoes(addr string, conns, size int) error {
	runtime.LockOSThread() // the ring belongs to its thread
	g := &generator{size: size, got: make([]int, conns), out: make([]driver.Completion, 256), buf: make([]byte, size)}
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

func openDriver(buffers int) (driver.Driver, error) {
	d, err := uring.Open(uring.Config{Buffers: buffers})
	if err == nil {
		return d, nil
	}
	return epoll.Open(epoll.Config{Buffers: buffers})
}

func (g *generator) open(addr string, conns int) (err error) {
	if g.driver, err = openDriver(2 * conns); err != nil {
		return err
	}
	a, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}
	for i := range conns {
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
		g.fds = append(g.fds, fd)
		g.arm(i)
	}
	return nil
}

func (g *generator) arm(conn int) {
	g.driver.Submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(g.fds[conn]), Token: driver.NewToken(1, 1, uint32(conn))})
}

// run makes n echoes and leaves nothing under way. REQUIRES: n >= len(g.fds).
func (g *generator) run(n int) error {
	begun, done := 0, 0
	for conn := range g.fds {
		if err := g.send(conn); err != nil {
			return err
		}
		begun++
	}
	for done < n {
		k, err := g.wait()
		if err != nil {
			return fmt.Errorf("%d of %d echoes came back: %w", done, n, err)
		}
		for _, c := range g.out[:k] {
			whole, err := g.receive(c)
			if err != nil {
				return err
			}
			if !whole {
				continue
			}
			if done++; begun < n {
				begun++
				if err := g.send(int(c.Token.Slot())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// wait returns how many completions have come. A Wait may return early without any.
func (g *generator) wait() (int, error) {
	for begin := time.Now(); ; {
		k, err := g.driver.Wait(g.out, 1, loadStallMax)
		if err != nil || k > 0 {
			return k, err
		}
		if time.Since(begin) >= loadStallMax {
			return 0, fmt.Errorf("then nothing for %v: %w", loadStallMax, unix.ETIMEDOUT)
		}
	}
}

func (g *generator) send(conn int) error {
	if n, errno := g.driver.TrySend(g.fds[conn], g.buf); errno != 0 || n != g.size {
		return fmt.Errorf("sent %d of %d bytes: %w", n, g.size, errno)
	}
	return nil
}

// receive reports whether the echo is whole.
func (g *generator) receive(c driver.Completion) (bool, error) {
	conn := int(c.Token.Slot())
	if c.Bid != driver.NoBuffer {
		g.driver.Recycle(c.Bid)
	}
	switch errno := c.Errno(); {
	case c.Res == 0:
		return false, errors.New("the server closed a connection")
	case errno != 0 && errno != unix.ENOBUFS && errno != unix.ECANCELED: // the driver may cancel a receive to have it armed again
		return false, fmt.Errorf("a connection broke: %w", errno)
	}
	if !c.More {
		g.arm(conn)
	}
	if g.got[conn] += int(max(c.Res, 0)); g.got[conn] < g.size {
		return false, nil
	}
	g.got[conn] = 0
	return true, nil
}
