package coretls

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/runtime"
)

// echo sends n bytes and reads them back, and ends in good order both ways.
func echo(t *testing.T, c *tls.Conn, n int) {
	t.Helper()
	data := bytes.Repeat([]byte("percore!"), n/8+1)[:n]
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		if err == nil {
			err = c.CloseWrite()
		}
		sent <- err
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("reading %d bytes back: %v after %d", n, err, len(got))
	}
	if !bytes.Equal(got, data) {
		t.Fatalf("%d bytes came back as %d, or changed", n, len(got))
	}
	if err := want(t, sent, "end of Write"); err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestEngineEcho(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		bothVersions(t, func(t *testing.T, v uint16) {
			s := serve(t, rt, serverTLS(v), Limits{}, nil)
			for _, n := range []int{1, 100, plaintextMax, 50_000, 1 << 20} {
				echo(t, s.mustDial(), n)
				if err := want(t, s.closed, "Closed"); err != nil {
					t.Fatalf("%d bytes: Closed(%v), want nil", n, err)
				}
			}
			p := want(t, s.opened, "Open")
			if p.state.NegotiatedProtocol != ProtoH2 || p.state.Version != v {
				t.Fatalf("state %+v", p.state)
			}
		})
	})
}

// Back-pressure: an inner protocol that takes little, waits for much, or
// pauses gets every byte once, in order, and the end after it.
func TestEngineBackPressure(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*testProto)
		n      int
	}{
		{"takes little", func(p *testProto) { p.takeMax = 1000 }, 200_000},
		{"wants much", func(p *testProto) { p.wholeOf, p.takeMax = 30_000, 30_000 }, 90_000},
		{"pauses", func(p *testProto) { p.pauses = true }, 200_000},
		{"pauses and takes little", func(p *testProto) { p.pauses, p.takeMax = true, 3000 }, 100_000},
		{"pauses from the start", func(p *testProto) { p.pauseOpen = true }, 10_000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
				s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{}, tc.change)
				echo(t, s.mustDial(), tc.n)
				if err := want(t, s.closed, "Closed"); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// Data that comes in the same segment as the client's Finished is not lost,
// also when the inner protocol is paused at that moment.
func TestEngineDataWithFinished(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		for _, pauseOpen := range []bool{false, true} {
			s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{}, func(p *testProto) { p.pauseOpen = pauseOpen })
			raw := s.dialRaw()
			hold := &holdBack{Conn: raw}
			c := tls.Client(hold, clientTLS())
			hold.after = 1 // the ClientHello goes out, the rest waits
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			c.Write([]byte("early"))
			c.CloseWrite()
			hold.release()
			if got, err := io.ReadAll(c); err != nil || string(got) != "early" {
				t.Fatalf("paused %v: %q, %v", pauseOpen, got, err)
			}
		}
	})
}

// holdBack keeps what is written after the first `after` writes until release.
type holdBack struct {
	net.Conn
	after int
	held  []byte
}

func (h *holdBack) Write(p []byte) (int, error) {
	if h.after == 0 {
		h.held = append(h.held, p...)
		return len(p), nil
	}
	h.after--
	return h.Conn.Write(p)
}

func (h *holdBack) release() {
	h.after = 1 << 30
	h.Conn.SetWriteDeadline(time.Time{}) // CloseWrite has set one
	h.Conn.Write(h.held)
}

// A connection cut without a close_notify ends with io.ErrUnexpectedEOF inside
// a RecordError of the peer's (RFC 8446 section 6.1).
func TestEngineTruncation(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{}, nil)
		c := s.mustDial()
		c.Write([]byte("half"))
		io.ReadFull(c, make([]byte, 4))
		c.NetConn().(*net.TCPConn).CloseWrite()
		err := want(t, s.closed, "Closed")
		re, ok := errors.AsType[*RecordError](err)
		if !ok || !re.ByPeer || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("Closed(%v)", err)
		}
	})
}

// A corrupt record is answered with an alert, and ends that connection only.
func TestEngineCorruptRecord(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{}, nil)
		c := s.mustDial()
		c.Write([]byte("ok"))
		io.ReadFull(c, make([]byte, 2))
		c.NetConn().Write([]byte{typeData, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
		if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Fatalf("the peer saw %v, want an alert", err)
		}
		c.NetConn().Close()
		err := want(t, s.closed, "Closed")
		if re, ok := errors.AsType[*RecordError](err); !ok || re.ByPeer {
			t.Fatalf("Closed(%v), want a RecordError of ours", err)
		}
		echo(t, s.mustDial(), 100)
	})
}

// stalledPeer is a client by hand that does not read, and a server that floods it.
func stalledPeer(t *testing.T, s *server) (net.Conn, *handmade) {
	t.Helper()
	var log bytes.Buffer
	cfg := clientTLS()
	cfg.KeyLogWriter = &log
	c, err := s.dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := newHandmade(t, log.String(), c.ConnectionState().CipherSuite)
	p := want(t, s.opened, "Open")
	for full := false; !full; { // until the kernel takes no more
		done := make(chan bool)
		s.rt.Core(0).Post(func() { done <- p.conn.OutBuffered() > 0 })
		full = want(t, done, "answer")
	}
	return c.NetConn(), h
}

// The case of design.md section 1: a peer stops reading and then makes TLS
// write, by a corrupt record or by KeyUpdates. The core goes on.
func TestEngineStalledPeerNeverStopsTheCore(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		for _, name := range []string{"corrupt record", "key update"} {
			flood := true
			s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{}, func(p *testProto) { p.flood, flood = flood, false })
			raw, h := stalledPeer(t, s)
			if name == "key update" {
				raw.Write(append(h.update(t), h.data("x")...))
			} else {
				raw.Write([]byte{typeData, 3, 3, 0, 3, 1, 2, 3})
			}
			echo(t, s.mustDial(), 10_000)
			raw.Close()
		}
	})
}

// A peer that asks for answers and never reads them is cut off.
func TestEngineUnreadAnswers(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{}, func(p *testProto) { p.flood = true })
		raw, h := stalledPeer(t, s)
		for range 2 * outputMax / 20 {
			if _, err := raw.Write(append(h.update(t), h.data("x")...)); err != nil {
				break
			}
		}
		if err := want(t, s.closed, "Closed"); !errors.Is(err, ErrTooMuchOutput) {
			t.Fatalf("Closed(%v), want ErrTooMuchOutput", err)
		}
	})
}

// A graceful stop asks the inner protocol, which says goodbye: the client sees
// a close_notify, not a cut.
func TestEngineDrain(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{}, nil)
		c := s.mustDial()
		half := s.dialRaw() // still in its handshake
		half.Write([]byte{22, 3, 1})
		c.Write([]byte("x"))
		io.ReadFull(c, make([]byte, 1))
		stopped := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), testWait)
			defer cancel()
			stopped <- rt.Stop(ctx)
		}()
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("the client saw %v, want io.EOF", err)
		}
		c.Close()
		if err := want(t, stopped, "end of Stop"); err != nil {
			t.Fatal(err)
		}
	})
}

// Connections cut after every byte of a client's whole script leave nothing
// behind; startRuntime's Stop and the chunk count see to that.
func TestEngineCutAnywhere(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{HandshakesInFlightMax: 1000}, nil)
		for cut := 1; cut < 700; cut += 11 {
			c := tls.Client(&cutConn{Conn: s.dialRaw(), left: cut}, clientTLS())
			if c.Handshake() == nil {
				c.Write([]byte("request"))
				c.Read(make([]byte, 7))
			}
			c.Close()
		}
		echo(t, s.mustDial(), 1000)
	})
}

// cutConn closes after some bytes written.
type cutConn struct {
	net.Conn
	left int
}

func (c *cutConn) Write(p []byte) (int, error) {
	if len(p) < c.left {
		c.left -= len(p)
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:c.left])
	c.left = 0
	c.Conn.Close()
	return n, net.ErrClosed
}

// Handshakes beyond the limits wait their turn and then succeed.
func TestEngineHandshakesWaitTheirTurn(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{HandshakesPerTurnMax: 1, HandshakesInFlightMax: 2}, nil)
		done := make(chan error, 20)
		for range cap(done) {
			go func() {
				c, err := s.dial(clientTLS())
				if err == nil {
					c.Write([]byte("hello"))
					_, err = io.ReadFull(c, make([]byte, 5))
					c.Close()
				}
				done <- err
			}()
		}
		for range cap(done) {
			if err := want(t, done, "connection"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// An inner protocol may abort from inside any of its calls.
func TestEngineInnerAborts(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		for _, in := range []string{"Open", "Data", "Flush"} {
			s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{}, func(p *testProto) { p.abortIn = in })
			c := s.mustDial()
			c.Write(make([]byte, 40_000))
			if err := want(t, s.closed, "Closed"); err != errTestAbort {
				t.Fatalf("in %s: Closed(%v)", in, err)
			}
		}
	})
}

// Tickets of one core are good on every other.
func TestEngineResumesOnAnyCore(t *testing.T) {
	leak.Check(t)
	rt, err := coreruntime.Start(context.Background(), coreruntime.Config{Cores: 3, Buffers: 64, Pin: coreruntime.PinNever})
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Stop(context.Background())
	s := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{}, nil)
	cfg := clientTLS()
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	used := map[int]bool{}
	for n := 0; n < 200 && (len(used) < 3 || n < 10); n++ {
		c, err := s.dial(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if resumed := c.ConnectionState().DidResume; resumed != (n > 0) {
			t.Fatalf("connection %d: resumed is %v", n, resumed)
		}
		echo(t, c, 10) // takes the ticket too
		used[want(t, s.opened, "Open").conn.Core().ID()] = true
	}
	if len(used) < 3 {
		t.Fatalf("200 connections met cores %v only", used)
	}
}

// What a stop finds in the middle of a handshake goes away with it.
func TestStopDuringHandshake(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		engines := serve(t, rt, serverTLS(tls.VersionTLS13), Limits{HandshakesInFlightMax: 2}, nil)
		ended := make(chan error, 4)
		tasks := serveTasks(t, rt, serverTLS(tls.VersionTLS13), func(c *Conn) {
			defer func() { ended <- nil }()
			ended <- c.Handshake()
		})
		for range 4 {
			io.WriteString(engines.dialRaw(), "\x16\x03\x01\x01\x00half a hello")
		}
		engines.sync(func(g *governor) bool { return g.inFlight == 2 && g.head != nil })
		io.WriteString(tasks.dialRaw(), "\x16\x03\x01\x01\x00half a hello")
		tasks.sync(func(g *governor) bool { return g.inFlight == 1 })
		ctx, cancel := context.WithTimeout(context.Background(), testWait)
		defer cancel()
		if err := rt.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if err := want(t, ended, "end of the task's handshake"); err == nil {
			t.Fatal("a half handshake succeeded")
		}
	})
}
