package corenet_test

import (
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// spy is a real driver whose traffic a test looks at, or meddles with. Its own fields are for the core's goroutine.
type spy struct {
	driver.Driver
	onSubmit func(op driver.Op) (taken bool) // nil: none; taken: the kernel does not get it
	onDone   func(c driver.Completion)
	own      []driver.Completion // answers to what was taken
}

func (s *spy) Submit(op driver.Op) {
	if s.onSubmit == nil || !s.onSubmit(op) {
		s.Driver.Submit(op)
	}
}

func (s *spy) Wait(out []driver.Completion, min int, timeout time.Duration) (int, error) {
	n := copy(out, s.own)
	if s.own = s.own[n:]; n > 0 {
		min = 0
	}
	k, err := s.Driver.Wait(out[n:], min, timeout)
	n += k
	for i := range out[:n] {
		if s.onDone != nil {
			s.onDone(out[i])
		}
	}
	return n, err
}

// realCore is a manual core on a real driver: the test turns it on its own goroutine, so that turns can be counted.
type realCore struct {
	*coreruntime.Core
	t     *testing.T
	spy   *spy
	now   time.Duration
	turns int
}

// onRealCores runs fn on a manual core of each real driver, which must end clean and leave nothing.
func onRealCores(t *testing.T, cfg coreruntime.Config, fn func(t *testing.T, r *realCore)) {
	for _, kind := range []driver.Kind{driver.Uring, driver.Epoll} {
		t.Run(string(kind), func(t *testing.T) {
			leak.Check(t)
			runtime.LockOSThread() // a ring belongs to its thread
			defer runtime.UnlockOSThread()
			if cfg.Logger == nil {
				cfg.Logger = quietLog
			}
			d, err := openDriver(kind, cfg)
			if err != nil {
				t.Fatal(err)
			}
			r := &realCore{t: t, spy: &spy{Driver: d}}
			r.Core = coreruntime.NewManual(cfg, r.spy)
			defer func() {
				if err := r.CloseManual(); err != nil {
					t.Error(err)
				}
			}()
			fn(t, r)
		})
	}
}

func (r *realCore) turn() {
	r.now += time.Microsecond
	r.turns++
	r.Turn(r.now)
}

// until turns the core until cond holds and returns the turns that took. Loopback delivers inside the sender's system
// call, mostly; a busy kernel does so later, in ksoftirqd. Turns that find nothing do not count, but end after testMax.
func (r *realCore) until(what string, turnsMax int, cond func() bool) (turns int) {
	r.t.Helper()
	for last := time.Now(); !cond(); {
		r.turn()
		if !r.Idle() {
			turns++
			last = time.Now()
		} else {
			runtime.Gosched()
		}
		if waited := time.Since(last); turns > turnsMax || waited > testMax {
			s := r.Snapshot()
			r.t.Fatalf("%s has not come in %d turns and %v: %d buffers lent of %d, %d starved, %d ops, counters %v, driver %+v",
				what, turns, waited, s.BuffersLent, s.Buffers, s.StarvedReceives, s.Ops, s.Counters, s.Driver)
		}
	}
	return turns
}

// settle turns the core until it would sleep, several times in a row.
func (r *realCore) settle() {
	r.t.Helper()
	for idle, n := 0, 0; idle < 3; n++ {
		if n > 100_000 {
			r.t.Fatal("the core does not come to rest")
		}
		r.turn()
		if idle++; !r.Idle() {
			idle = 0
		}
	}
}

func (r *realCore) count(m coreruntime.Counter) int {
	return int(r.Snapshot().Counters[m.String()])
}

// serve listens with a Protocol and connects n clients; it returns when all are accepted.
func (r *realCore) serve(n int, lc corenet.ListenConfig, open func() corenet.Protocol) (*corenet.Listener, []*client) {
	r.t.Helper()
	ln := listen(r.t, r.Runtime(), lc)
	if err := ln.Serve(func(*coreruntime.Core) corenet.Protocol { return open() }); err != nil {
		r.t.Fatal(err)
	}
	return ln, r.connect(ln, n)
}

func (r *realCore) connect(ln *corenet.Listener, n int) []*client {
	r.t.Helper()
	was := r.count(coreruntime.ConnsAccepted)
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = connect(r.t, ln.Addr())
	}
	r.until("accepting", 10*n+100, func() bool { return r.count(coreruntime.ConnsAccepted) == was+n })
	return clients
}

// client is a bare non-blocking socket: it may share the core's goroutine.
type client struct {
	t  testing.TB
	fd int
}

func connect(t testing.TB, to net.Addr) *client {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, fd: fd}
	t.Cleanup(c.close)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10); err != nil { // full after a few KiB
		t.Fatal(err)
	}
	addr := to.(*net.TCPAddr).AddrPort()
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return c
}

// send writes what must fit.
func (c *client) send(p []byte) {
	c.t.Helper()
	if n, err := unix.Write(c.fd, p); n != len(p) || err != nil {
		c.t.Fatalf("a client sent %d of %d bytes: %v", n, len(p), err)
	}
}

// sent writes what fits.
func (c *client) sent(p []byte) int {
	n, _ := unix.Write(c.fd, p)
	return max(n, 0)
}

// got reads what is there; eof: and then the end.
func (c *client) got() (p []byte, eof bool) {
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(c.fd, buf)
		if n == 0 && err == nil {
			return p, true
		}
		if n <= 0 {
			return p, false
		}
		p = append(p, buf[:n]...)
	}
}

// gotAll waits for n bytes, or the end, on their way: a busy kernel delivers what loopback carries after send(2) has
// returned, in ksoftirqd.
func (c *client) gotAll(n int) (p []byte, eof bool) {
	for {
		more, eof := c.got()
		if p = append(p, more...); eof || len(p) >= n {
			return p, eof
		}
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, int(testMax.Milliseconds()))
		if ready == 0 && err == nil {
			return p, false
		}
	}
}

func (c *client) close() {
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
		c.fd = -1
	}
}

func closeAll(clients []*client) {
	for _, c := range clients {
		c.close()
	}
}
