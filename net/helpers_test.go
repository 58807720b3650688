package corenet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/epoll"
	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/internal/driver/uring"
	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// testMax bounds everything that a test waits for.
const testMax = 20 * time.Second

var quietLog = slog.New(slog.DiscardHandler)

func openDriver(kind driver.Kind, cfg coreruntime.Config) (driver.Driver, error) {
	if kind == driver.Epoll {
		return epoll.Open(epoll.Config{BufferSize: cfg.BufferSize, Buffers: cfg.Buffers, BuffersMax: cfg.BuffersMax})
	}
	return uring.Open(uring.Config{Entries: cfg.Entries, CQEntries: cfg.CQEntries,
		BufferSize: cfg.BufferSize, Buffers: cfg.Buffers, BuffersMax: cfg.BuffersMax})
}

// onDrivers runs fn on a runtime of each real driver; the runtime must stop clean and leave nothing.
func onDrivers(t *testing.T, cfg coreruntime.Config, fn func(t *testing.T, rt *coreruntime.Runtime)) {
	for _, kind := range []driver.Kind{driver.Uring, driver.Epoll} {
		t.Run(string(kind), func(t *testing.T) {
			leak.Check(t)
			fn(t, start(t, kind, cfg))
		})
	}
}

// stallMax is what the tests call a stall: a busy or emulated machine withholds a thread for a second now and then, a
// core that waits for itself stands still for ever.
const stallMax = 5 * time.Second

func start(t testing.TB, kind driver.Kind, cfg coreruntime.Config) *coreruntime.Runtime {
	t.Helper()
	if cfg.Cores == 0 {
		cfg.Cores = 2
	}
	if cfg.Logger == nil {
		cfg.Logger = quietLog
	}
	if cfg.DrainTimeout == 0 {
		cfg.DrainTimeout = 3 * time.Second
	}
	if cfg.StallMax == 0 {
		cfg.StallMax = stallMax
	}
	if cfg.OnStall == nil {
		cfg.OnStall = func(s coreruntime.Stall) { t.Errorf("stall: %+v", s) }
	}
	rt, err := coreruntime.StartOn(context.Background(), cfg, func(int) (driver.Driver, error) { return openDriver(kind, cfg) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Stop(context.Background()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return rt
}

// serve listens on a free loopback port and runs fn in a task for every connection.
func serve(t testing.TB, rt *coreruntime.Runtime, lc corenet.ListenConfig, fn func(c *corenet.Conn)) *corenet.Listener {
	t.Helper()
	ln := listen(t, rt, lc)
	ended := make(chan error, 1)
	go func() { ended <- rt.Run(func(c *coreruntime.Core) error { return acceptLoop(c, ln, fn) }) }()
	t.Cleanup(func() {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("closing the listener: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("accept loop: %v", err)
		}
	})
	return ln
}

func listen(t testing.TB, rt *coreruntime.Runtime, lc corenet.ListenConfig) *corenet.Listener {
	t.Helper()
	ln, err := lc.Listen(rt, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func acceptLoop(c *coreruntime.Core, ln *corenet.Listener, fn func(c *corenet.Conn)) error {
	for l := ln.On(c); ; {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		c.Go("conn", func() { fn(conn) })
	}
}

func echo(c *corenet.Conn) {
	defer c.Close()
	_, _ = io.Copy(c, c) // peers that go away are part of the tests
}

// dialStd connects a standard client that gives up after testMax.
func dialStd(t testing.TB, addr net.Addr) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr.String(), testMax)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(testMax)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// within fails when ch has nothing in time.
func within[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(testMax):
		t.Fatalf("%s did not come within %v", what, testMax)
		panic("unreachable")
	}
}

// inTask runs fn as a task on core i and returns its error.
func inTask(t testing.TB, rt *coreruntime.Runtime, i int, fn func(c *coreruntime.Core) error) error {
	t.Helper()
	done := make(chan error, 1)
	c := rt.Core(i)
	err := c.Post(func() {
		task := c.GoContext(context.Background(), "test", func() error { return fn(c) })
		c.Go("wait", func() { done <- task.Wait() })
	})
	if err != nil {
		t.Fatal(err)
	}
	return within(t, done, "the task's end")
}

// pattern is content whose every position is recognisable.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return p
}

func wantBytes(t testing.TB, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	t.Errorf("got %d bytes, want %d; they differ from byte %d on", len(got), len(want), at)
}

// quietCores waits until no core holds anything: what a connection leaves behind is our bug.
func quietCores(t testing.TB, rt *coreruntime.Runtime, residents int) {
	t.Helper()
	deadline := time.Now().Add(testMax)
	for {
		report := ""
		for _, m := range rt.Metrics().Cores {
			if m.BuffersLent != 0 || m.ChunkBytes != 0 || m.Residents != residents || m.StarvedReceives != 0 {
				report += fmt.Sprintf("core %d: %d buffers lent, %d chunk bytes, %d residents, %d starved, %d ops, %d tasks\n",
					m.Core, m.BuffersLent, m.ChunkBytes, m.Residents, m.StarvedReceives, m.Ops, m.Tasks)
			}
			if m.Counters["stale_completions"] != 0 {
				t.Errorf("core %d has seen stale completions", m.Core)
			}
		}
		if report == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the cores still hold something:\n%s", report)
		}
		time.Sleep(time.Millisecond)
	}
}

// simCore is a manual core on the sim driver with a clock of its own.
type simCore struct {
	*coreruntime.Core
	t     testing.TB
	world *sim.World
	drv   *sim.Driver
	now   time.Duration
}

func newSim(t testing.TB, cfg coreruntime.Config) *simCore {
	t.Helper()
	return newSimSeed(t, 1, cfg)
}

func newSimSeed(t testing.TB, seed uint64, cfg coreruntime.Config) *simCore {
	t.Helper()
	leak.Check(t)
	if cfg.Logger == nil {
		cfg.Logger = quietLog
	}
	w := sim.New(seed)
	d := w.Driver(0, sim.Config{BufferSize: cfg.BufferSize, Buffers: cfg.Buffers, BuffersMax: cfg.BuffersMax})
	s := &simCore{Core: coreruntime.NewManual(cfg, d), t: t, world: w, drv: d}
	t.Cleanup(func() {
		if err := s.CloseManual(); err != nil {
			t.Error(err)
		}
		if n := w.OpenFDs(); n != 0 && !t.Failed() {
			t.Errorf("%d descriptors of the simulated world are still open", n)
		}
	})
	return s
}

// settle turns the core until it would sleep.
func (s *simCore) settle() {
	s.t.Helper()
	for range 100_000 {
		s.Turn(s.now)
		if s.Idle() && !s.drv.Pending() {
			return
		}
	}
	s.t.Fatal("the core does not come to rest")
}

// pass lets d go by in steps of the wheel.
func (s *simCore) pass(d time.Duration) {
	s.t.Helper()
	for end := s.now + d; s.now < end; {
		step := min(time.Millisecond, end-s.now)
		if s.Idle() {
			step = end - s.now
			if at := s.NextTimer(); at > s.now {
				step = min(step, at-s.now)
			}
		}
		s.now += step
		s.world.Advance(step)
		s.settle()
	}
}

func (s *simCore) listen(lc corenet.ListenConfig) *corenet.Listener {
	s.t.Helper()
	return listen(s.t, s.Runtime(), lc)
}

func (s *simCore) dial(ln *corenet.Listener) *sim.Peer {
	s.t.Helper()
	p, err := s.world.Dial(ln.Addr().(*net.TCPAddr).AddrPort())
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// conn accepts one connection of a new listener, without a task.
func (s *simCore) conn(cc corenet.ConnConfig) (*corenet.Conn, *sim.Peer) {
	s.t.Helper()
	ln := s.listen(corenet.ListenConfig{Conn: cc})
	var conn *corenet.Conn
	s.Go("accept", func() { conn, _ = ln.On(s.Core).Accept() })
	s.settle()
	p := s.dial(ln)
	s.settle()
	if conn == nil {
		s.t.Fatal("the connection was not accepted")
	}
	if err := ln.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.settle()
	return conn, p
}

// task runs fn as a task and turns the core until it is at rest.
func (s *simCore) task(fn func()) {
	s.t.Helper()
	s.Go("test", fn)
	s.settle()
}

// drainPeer reads what the peer has; eof says that the end of file came.
func drainPeer(p *sim.Peer) (got []byte, err error) {
	buf := make([]byte, 4096)
	for {
		n, err := p.Read(buf)
		got = append(got, buf[:n]...)
		if n == 0 || err != nil {
			return got, err
		}
	}
}

// listening finds the process's listening sockets; see socket(7), SO_ACCEPTCONN.
func listening(t testing.TB) (fds []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on != 0 {
			fds = append(fds, fd)
		}
	}
	return fds
}

// shutdown makes a listening socket refuse accept with EINVAL, as a stranger in the process could.
func shutdown(t testing.TB, fd int) {
	t.Helper()
	if err := unix.Shutdown(fd, unix.SHUT_RD); err != nil {
		t.Fatal(err)
	}
}
