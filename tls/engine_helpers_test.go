package coretls

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// testWait bounds whatever a test waits for; nothing is expected to take so long.
const testWait = 10 * time.Second

// bothDrivers runs fn on a runtime of each real driver.
func bothDrivers(t *testing.T, fn func(t *testing.T, rt *coreruntime.Runtime)) {
	for name, mode := range map[string]coreruntime.DriverMode{
		"uring": coreruntime.DriverUring, "epoll": coreruntime.DriverEpoll} {
		t.Run(name, func(t *testing.T) { fn(t, startRuntime(t, mode)) })
	}
}

func startRuntime(t *testing.T, mode coreruntime.DriverMode) *coreruntime.Runtime {
	t.Helper()
	leak.Check(t)
	rt, err := coreruntime.Start(context.Background(), coreruntime.Config{
		Cores: 1, Driver: mode, Buffers: 64,
		DrainTimeout: 2 * time.Second,
		StallMax:     5 * time.Second, // an emulated machine withholds a thread for a second; a core that waits for itself stands for ever
		OnStall:      func(s coreruntime.Stall) { t.Errorf("the core stands still: %+v", s) },
		Logger:       slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testWait)
		defer cancel()
		if err := rt.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return rt
}

// server is a TLS server on the engine, and what its connections went through.
type server struct {
	t      *testing.T
	rt     *coreruntime.Runtime
	cfg    *Config
	addr   string
	opened chan *testProto
	closed chan error // from inner.Closed
	failed chan *HandshakeError
}

// serve starts a server; make builds the inner protocol of each connection.
func serve(t *testing.T, rt *coreruntime.Runtime, std *tls.Config, limits Limits, change func(*testProto)) *server {
	t.Helper()
	cfg, err := NewConfig(std, limits)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, rt: rt, cfg: cfg, opened: make(chan *testProto, 1000),
		closed: make(chan error, 1000), failed: make(chan *HandshakeError, 1000)}
	cfg.HandshakeFailed = func(err *HandshakeError) { s.failed <- err }
	lc := corenet.ListenConfig{Conn: corenet.ConnConfig{LingerMax: 200 * time.Millisecond}}
	ln, err := lc.Listen(rt, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	open := RequireALPN(func(state *tls.ConnectionState) (corenet.Protocol, error) {
		p := &testProto{s: s, state: *state}
		if change != nil {
			change(p)
		}
		return p, nil
	}, ProtoH2)
	err = ln.Serve(func(*coreruntime.Core) corenet.Protocol { return NewEngine(cfg, open) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dial makes a TLS connection with the standard library.
func (s *server) dial(cfg *tls.Config) (*tls.Conn, error) {
	raw := s.dialRaw()
	c := tls.Client(raw, cfg)
	if err := c.Handshake(); err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

func (s *server) mustDial() *tls.Conn {
	s.t.Helper()
	c, err := s.dial(clientTLS())
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *server) dialRaw() net.Conn {
	s.t.Helper()
	c, err := net.DialTimeout("tcp", s.addr, testWait)
	if err != nil {
		s.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(testWait))
	s.t.Cleanup(func() { c.Close() })
	return c
}

// want receives from ch, or fails the test.
func want[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(testWait):
		t.Fatalf("no %s after %v", what, testWait)
		panic("unreachable")
	}
}

// testProto is an inner protocol: it sends back what it gets, in ways a test can choose.
type testProto struct {
	s     *server
	state tls.ConnectionState
	conn  *corenet.Conn
	out   []byte

	takeMax   int  // most bytes taken of one Data; 0: all
	wholeOf   int  // take nothing before so many are there; 0: any
	pauses    bool // after every Data, until a Post resumes
	pauseOpen bool // from Open until a Post resumes
	keepOpen  bool // do not close at EOF
	flood     bool // send without end
	abortIn   string
	drained   bool

	got    int
	sawEOF bool
}

func (p *testProto) Open(c *corenet.Conn) {
	p.conn = c
	if p.pauseOpen {
		p.pause()
	}
	if p.flood {
		c.Touch()
	}
	p.s.opened <- p
	if p.abortIn == "Open" {
		c.Abort(errTestAbort)
	}
}

var errTestAbort = errors.New("aborted by the test")

// pause stops Data; a goroutine resumes it a little later.
func (p *testProto) pause() {
	p.conn.Pause()
	core, conn := p.conn.Core(), p.conn
	go core.Post(func() {
		if !conn.Closing() {
			conn.Resume()
		}
	})
}

func (p *testProto) Data(_ time.Duration, b []byte) int {
	if p.sawEOF {
		p.s.t.Error("Data after EOF")
	}
	if p.conn.Paused() {
		p.s.t.Error("Data while paused")
	}
	if p.abortIn == "Data" {
		p.conn.Abort(errTestAbort)
		return len(b) / 2
	}
	if len(b) < p.wholeOf {
		return 0
	}
	n := len(b)
	if p.takeMax > 0 {
		n = min(n, p.takeMax)
	}
	p.out = append(p.out, b[:n]...)
	p.got += n
	p.conn.Touch()
	if p.pauses {
		p.pause()
	}
	return n
}

func (p *testProto) EOF(time.Duration) {
	if p.sawEOF {
		p.s.t.Error("EOF twice")
	}
	p.sawEOF = true
	if !p.keepOpen {
		p.conn.Close()
	}
}

func (p *testProto) Flush(_ time.Duration, dst []byte) []byte {
	if p.abortIn == "Flush" && len(p.out) > 0 {
		p.conn.Abort(errTestAbort)
		return append(dst, p.out...)
	}
	if p.flood && !p.conn.Closing() {
		p.conn.Touch()
		return append(dst, make([]byte, corenet.FlushMax)...)
	}
	k := min(len(p.out), corenet.FlushMax)
	if p.conn.Closing() {
		k = len(p.out)
	}
	dst = append(dst, p.out[:k]...)
	if p.out = p.out[:copy(p.out, p.out[k:])]; len(p.out) > 0 {
		p.conn.Touch()
	}
	return dst
}

func (p *testProto) Drain(time.Duration) {
	p.drained = true
	p.conn.Close()
}

func (p *testProto) Closed(_ time.Duration, err error) { p.s.closed <- err }
