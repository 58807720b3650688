package coretls

import (
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/percore/percore/runtime"
)

// What is not TLS gets a clean end and one clear error; the next connection is served.
func TestEngineGarbage(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{}, nil)
		for _, tc := range []struct{ send, want string }{
			{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "cleartext HTTP/1.1"},
			{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "cleartext HTTP/2"},
			{"\x00\x01\x02\x03\x04\x05\x06\x07", "does not speak TLS"},
			{strings.Repeat("\xff", 100_000), "does not speak TLS"},
			{"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", ""}, // a ClientHello that does not parse
			{"\x16\x03\x01\xff\xff\x01", "oversized"},
		} {
			c := s.dialRaw()
			io.WriteString(c, tc.send)
			io.Copy(io.Discard, c) // to the end, which comes at once
			err := want(t, s.failed, "HandshakeError")
			if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), c.LocalAddr().String()) {
				t.Errorf("%.20q: %v, want the peer and %q", tc.send, err, tc.want)
			}
			c.Close()
		}
		select {
		case err := <-s.failed:
			t.Errorf("a second error for one connection: %v", err)
		default:
		}
		echo(t, s.mustDial(), 100)
	})
}

// A client that negotiates nothing is closed by RequireALPN, with the alert
// that nothing was wrong with TLS.
func TestEngineWithoutALPN(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{}, nil)
		cfg := clientTLS()
		cfg.NextProtos = nil
		c, err := s.dial(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("the client saw %v, want io.EOF", err)
		}
		if _, ok := errors.AsType[*ALPNError](error(want(t, s.failed, "HandshakeError"))); !ok {
			t.Fatal("no ALPNError")
		}
	})
}

// Silent clients and slow ones are closed when HandshakeTimeout is over.
func TestEngineHandshakeTimeout(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{HandshakeTimeout: 30 * time.Millisecond}, nil)
		for _, send := range []string{"", "\x16\x03\x01\x01\x00half a hello"} {
			c := s.dialRaw()
			io.WriteString(c, send)
			if err := want(t, s.failed, "HandshakeError"); !errors.Is(err, ErrHandshakeTimeout) {
				t.Fatalf("%q: %v", send, err)
			}
			if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Fatal(err)
			}
		}
	})
}

// With all places taken by a client that dawdles, the next one waits until that
// one has left, and is then served.
func TestEngineHandshakesInFlightMax(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{HandshakesInFlightMax: 1}, nil)
		slow := s.dialRaw()
		io.WriteString(slow, "\x16\x03\x01\x01\x00half a hello")
		s.sync(func(g *governor) bool { return g.inFlight == 1 })
		second := make(chan error, 1)
		go func() {
			c, err := s.dial(clientTLS())
			if err == nil {
				c.Close()
			}
			second <- err
		}()
		s.sync(func(g *governor) bool { return g.inFlight == 1 && g.head != nil })
		select {
		case err := <-second:
			t.Fatalf("the second handshake did not wait: %v", err)
		default:
		}
		slow.Close()
		if err := want(t, second, "second handshake"); err != nil {
			t.Fatal(err)
		}
		s.sync(func(g *governor) bool { return g.inFlight == 0 && g.head == nil })
	})
}

// sync waits until ok holds for the governor of core 0.
func (s *server) sync(ok func(*governor) bool) {
	s.t.Helper()
	for begun := time.Now(); time.Since(begun) < testWait; {
		done := make(chan bool)
		core := s.rt.Core(0)
		core.Post(func() { done <- ok(s.cfg.governor(core)) })
		if want(s.t, done, "answer") {
			return
		}
	}
	s.t.Fatal("the governor never came to the wanted state")
}

// A callback that blocks for as long as it likes holds up its own connection only.
func TestEngineOffCore(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		entered, leave := make(chan string, 10), make(chan struct{})
		std := serverTLS(tls.VersionTLS13)
		std.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if h.Conn.RemoteAddr().String() == ":0" {
				t.Error("the callback does not see the peer's address")
			}
			if h.ServerName == "slow" {
				entered <- h.ServerName
				<-leave
			}
			if h.ServerName == "panic" {
				panic("callback")
			}
			return nil, nil
		}
		s := serve(t, rt, std, Limits{}, nil)
		slow := make(chan error, 1)
		go func() {
			cfg := clientTLS()
			cfg.ServerName, cfg.InsecureSkipVerify = "slow", true
			c, err := s.dial(cfg)
			if err == nil {
				c.Close()
			}
			slow <- err
		}()
		want(t, entered, "callback")
		echo(t, s.mustDial(), 50_000)

		cfg := clientTLS()
		cfg.ServerName = "panic"
		if _, err := s.dial(cfg); err == nil {
			t.Error("a handshake with a panic in its callback succeeded")
		}
		if err := want(t, s.failed, "HandshakeError"); !strings.Contains(err.Error(), "panicked: callback") {
			t.Errorf("%v", err)
		}
		close(leave)
		if err := want(t, slow, "slow handshake"); err != nil {
			t.Fatal(err)
		}
	})
}

// The connection of a callback that hangs ends by its timeout; the goroutine
// keeps its place until it comes back, so that hanging ones stay bounded.
func TestEngineOffCoreTimeout(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		entered, leave := make(chan bool, 10), make(chan struct{})
		std := serverTLS(tls.VersionTLS13)
		std.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			entered <- true
			<-leave
			return nil, errors.New("too late")
		}
		s := serve(t, rt, std, Limits{HandshakeTimeout: 50 * time.Millisecond}, nil)
		if _, err := s.dial(clientTLS()); err == nil {
			t.Fatal("handshake succeeded")
		}
		want(t, entered, "callback")
		if err := want(t, s.failed, "HandshakeError"); !errors.Is(err, ErrHandshakeTimeout) {
			t.Fatal(err)
		}
		s.sync(func(g *governor) bool { return g.inFlight == 1 })
		close(leave)
		s.sync(func(g *governor) bool { return g.inFlight == 0 })
	})
}

// Clients that leave in the middle of the handshake, on and off the core.
func TestEngineClientLeaves(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		for _, off := range []bool{false, true} {
			std := serverTLS(tls.VersionTLS13)
			if off {
				std.VerifyConnection = func(tls.ConnectionState) error { return nil }
			}
			s := serve(t, rt, std, Limits{}, nil)
			for range 10 {
				c := s.dialRaw()
				io.WriteString(c, "\x16\x03\x01\x01\x00half a hello")
				c.Close()
				if err := want(t, s.failed, "HandshakeError"); !errors.Is(err, io.ErrUnexpectedEOF) &&
					!strings.Contains(err.Error(), "reset") {
					t.Fatal(err)
				}
			}
			s.dialRaw().Close() // a port scanner is nobody's error
			s.sync(func(g *governor) bool { return g.inFlight == 0 })
			echo(t, s.mustDial(), 10)
			select {
			case err := <-s.failed:
				t.Errorf("one error too many: %v", err)
			default:
			}
		}
	})
}
