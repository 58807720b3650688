package coretls

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// serveTasks starts a TLS server whose connections are a task each.
func serveTasks(t *testing.T, rt *coreruntime.Runtime, std *tls.Config, handle func(c *Conn)) *server {
	t.Helper()
	cfg, err := NewConfig(std, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	lc := corenet.ListenConfig{Conn: corenet.ConnConfig{LingerMax: 200 * time.Millisecond}}
	ln, err := lc.Listen(rt, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	core := rt.Core(0)
	err = core.Post(func() {
		core.Go("accept", func() {
			for {
				raw, err := ln.On(core).Accept()
				if err != nil {
					return
				}
				core.Go("handle", func() {
					c := Server(raw, cfg)
					defer c.Close()
					handle(c)
				})
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return &server{t: t, rt: rt, cfg: cfg, addr: ln.Addr().String()}
}

func echoTask(c *Conn) { io.Copy(c, c) }

func TestConnEcho(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		bothVersions(t, func(t *testing.T, v uint16) {
			s := serveTasks(t, rt, serverTLS(v), echoTask)
			for _, n := range []int{1, 100, plaintextMax, 100_000, 1 << 20} {
				echo(t, s.mustDial(), n)
			}
		})
	})
}

// A small buffer gets everything; Read crosses no record.
func TestConnSmallReads(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serveTasks(t, rt, serverTLS(tls.VersionTLS13), func(c *Conn) {
			io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 7))
		})
		echo(t, s.mustDial(), 20_000)
	})
}

// Both directions start at once, in two tasks, and with them the handshake.
func TestConnTwoTasksHandshake(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serveTasks(t, rt, serverTLS(tls.VersionTLS13), func(c *Conn) {
			w := c.core.Go("writer", func() { io.WriteString(c, "from the writer") })
			io.ReadFull(c, make([]byte, 5))
			w.Wait()
		})
		c := s.mustDial()
		io.WriteString(c, "hello")
		if got, err := io.ReadAll(c); err != nil || string(got) != "from the writer" {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

// The case of design.md section 1: two tasks on one Conn, the peer stops
// reading, then makes TLS write. The reader goes on and so does the core.
func TestConnStalledPeer(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		for _, corrupt := range []bool{true, false} {
			opened, read := make(chan *Conn, 1), make(chan error, 1)
			first := true
			s := serveTasks(t, rt, serverTLS(tls.VersionTLS13), func(c *Conn) {
				if !first {
					echoTask(c)
					return
				}
				first = false
				if err := c.Handshake(); err != nil {
					t.Error(err)
				}
				c.core.Go("writer", func() {
					for p := make([]byte, 100_000); ; {
						if _, err := c.Write(p); err != nil {
							return
						}
					}
				})
				opened <- c
				_, err := c.Read(make([]byte, 1))
				read <- err
				c.Read(make([]byte, 1)) // until the peer leaves
			})
			var log bytes.Buffer
			cfg := clientTLS()
			cfg.KeyLogWriter = &log
			peer, err := s.dial(cfg)
			if err != nil {
				t.Fatal(err)
			}
			h := newHandmade(t, log.String(), peer.ConnectionState().CipherSuite)
			c := want(t, opened, "connection")
			for full := false; !full; {
				done := make(chan bool)
				c.core.Post(func() { done <- c.raw.OutBuffered() > 300_000 })
				full = want(t, done, "answer")
			}
			if corrupt {
				peer.NetConn().Write([]byte{typeData, 3, 3, 0, 3, 1, 2, 3})
			} else {
				peer.NetConn().Write(append(h.update(t), h.data("x")...))
			}
			if err := want(t, read, "end of Read"); (err != nil) != corrupt {
				t.Fatalf("corrupt %v: Read gave %v", corrupt, err)
			}
			echo(t, s.mustDial(), 10_000)
			peer.NetConn().Close()
		}
	})
}

// The answer to a KeyUpdate goes out though no task writes.
func TestConnKeyUpdateAnswered(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := serveTasks(t, rt, serverTLS(tls.VersionTLS13), func(c *Conn) { io.Copy(io.Discard, c) })
		var log bytes.Buffer
		cfg := clientTLS()
		cfg.KeyLogWriter = &log
		peer, err := s.dial(cfg)
		if err != nil {
			t.Fatal(err)
		}
		h := newHandmade(t, log.String(), peer.ConnectionState().CipherSuite)
		raw := peer.NetConn()
		raw.Write(h.update(t))
		var got []byte
		for answered := false; !answered; {
			var head [headerLen]byte
			if _, err := io.ReadFull(raw, head[:]); err != nil {
				t.Fatal(err)
			}
			body := make([]byte, int(head[3])<<8|int(head[4]))
			if _, err := io.ReadFull(raw, body); err != nil {
				t.Fatal(err)
			}
			types, _ := h.receive(t, append(head[:], body...))
			got = append(got, types...)
			answered = h.recv.seq == 0 // the key was changed
		}
	})
}

// A second reader gets an error and takes nothing away from the first, whose
// memory it must not give back.
func TestConnTwoReaders(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		second, first := make(chan error, 1), make(chan string, 1)
		s := serveTasks(t, rt, serverTLS(tls.VersionTLS13), func(c *Conn) {
			c.Handshake()
			w := c.core.Go("second reader", func() {
				_, err := c.Read(make([]byte, 10))
				second <- err
			})
			p := make([]byte, 5)
			_, err := io.ReadFull(c, p)
			first <- fmt.Sprint(string(p), err)
			w.Wait()
		})
		c := s.mustDial()
		if err := want(t, second, "the second reader"); !errors.Is(err, errTwoReaders) {
			t.Errorf("the second reader got %v", err)
		}
		io.WriteString(c, "hello")
		if got := want(t, first, "the first reader"); got != "hello<nil>" {
			t.Errorf("the first reader got %s", got)
		}
	})
}

func TestConnReadDeadline(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		result := make(chan error, 2)
		s := serveTasks(t, rt, serverTLS(tls.VersionTLS13), func(c *Conn) {
			c.Handshake()
			c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, err := c.Read(make([]byte, 10))
			result <- err
			c.SetReadDeadline(time.Time{})
			_, err = io.ReadFull(c, make([]byte, 5))
			result <- err
		})
		c := s.mustDial()
		if err := want(t, result, "deadline"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%v, want os.ErrDeadlineExceeded", err)
		}
		io.WriteString(c, "hello")
		if err := want(t, result, "data after it"); err != nil {
			t.Fatal(err)
		}
	})
}

// Ends of all kinds, as the task sees them.
func TestConnEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(c *tls.Conn)
		want error
	}{
		{"close_notify", func(c *tls.Conn) { c.CloseWrite() }, io.EOF},
		{"cut", func(c *tls.Conn) { c.NetConn().(*net.TCPConn).CloseWrite() }, io.ErrUnexpectedEOF},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
				result := make(chan error, 2)
				s := serveTasks(t, rt, serverTLS(tls.VersionTLS13), func(c *Conn) {
					for range 2 { // sticky
						_, err := c.Read(make([]byte, 10))
						result <- err
					}
					io.WriteString(c, "bye")
					c.CloseWrite()
				})
				c := s.mustDial()
				tc.end(c)
				for range 2 {
					if err := want(t, result, "end"); !errors.Is(err, tc.want) {
						t.Fatalf("%v, want %v", err, tc.want)
					}
				}
				if got, err := io.ReadAll(c); string(got) != "bye" || err != nil {
					t.Fatalf("our direction: %q, %v", got, err)
				}
			})
		})
	}
}

// Close may come from a goroutine; a parked Read returns and the peer sees a close_notify.
func TestConnCloseFromGoroutine(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		opened, result := make(chan *Conn, 1), make(chan error, 1)
		s := serveTasks(t, rt, serverTLS(tls.VersionTLS13), func(c *Conn) {
			c.Handshake()
			opened <- c
			_, err := c.Read(make([]byte, 10))
			result <- err
		})
		c := s.mustDial()
		want(t, opened, "connection").Close()
		if err := want(t, result, "end of Read"); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("%v, want net.ErrClosed", err)
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("the peer saw %v, want io.EOF", err)
		}
	})
}

func TestConnHandshakeFails(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		result := make(chan error, 2)
		s := serveTasks(t, rt, serverTLS(tls.VersionTLS13), func(c *Conn) {
			result <- c.Handshake()
			_, err := c.Write([]byte("x"))
			result <- err
		})
		c := s.dialRaw()
		io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
		err := want(t, result, "Handshake")
		if he, ok := errors.AsType[*HandshakeError](err); !ok || !strings.Contains(he.Remedy, "cleartext") {
			t.Fatalf("%v, want a HandshakeError with a remedy", err)
		}
		if again := want(t, result, "Write"); again != err {
			t.Fatalf("the error is not sticky: %v", again)
		}
	})
}

// From outside the core there is an error, not a crash.
func TestConnWrongGoroutine(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		opened := make(chan *Conn, 1)
		s := serveTasks(t, rt, serverTLS(tls.VersionTLS13), func(c *Conn) {
			c.Handshake()
			opened <- c
			echoTask(c)
		})
		peer := s.mustDial()
		c := want(t, opened, "connection")
		for name, call := range map[string]func() error{
			"Read":       func() error { _, err := c.Read(make([]byte, 1)); return err },
			"Write":      func() error { _, err := c.Write(make([]byte, 1)); return err },
			"CloseWrite": c.CloseWrite,
			"Handshake":  c.Handshake,
		} {
			if err := call(); !errors.Is(err, coreruntime.ErrWrongGoroutine) {
				t.Fatalf("%s: %v, want ErrWrongGoroutine", name, err)
			}
		}
		if c.ConnectionState().HandshakeComplete {
			t.Fatal("ConnectionState reached crypto/tls from outside the core")
		}
		echo(t, peer, 100)
	})
}

// Our client against the standard library's server, with the handshake on the
// core and, for a config with a callback, off it.
func TestConnClient(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		ln, err := tls.Listen("tcp", "127.0.0.1:0", serverTLS(tls.VersionTLS13))
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					io.Copy(c, c)
				}()
			}
		}()
		for _, off := range []bool{false, true} {
			cfg := clientTLS()
			if off {
				cfg.VerifyConnection = func(tls.ConnectionState) error { return nil }
			}
			result := make(chan error, 1)
			core := rt.Core(0)
			core.Post(func() {
				core.Go("client", func() { result <- clientRound(core, ln.Addr().String(), cfg) })
			})
			if err := want(t, result, "client"); err != nil {
				t.Fatalf("off the core %v: %v", off, err)
			}
		}
	})
}

func clientRound(core *coreruntime.Core, addr string, cfg *tls.Config) error {
	raw, err := corenet.Dial(core, context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	c := Client(raw, cfg)
	defer c.Close()
	data := bytes.Repeat([]byte("0123456789"), 20_000)
	sent := core.GoContext(context.Background(), "writer", func() error {
		if _, err := c.Write(data); err != nil {
			return err
		}
		return c.CloseWrite()
	})
	got, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) {
		return errors.New("the data came back changed")
	}
	if p := c.ConnectionState().NegotiatedProtocol; p != ProtoH2 {
		return errors.New("negotiated " + p)
	}
	return sent.Wait()
}

// Server handshakes with a callback run on a goroutine, also for tasks.
func TestConnOffCore(t *testing.T) {
	bothDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		entered, leave := make(chan bool, 1), make(chan struct{})
		std := serverTLS(tls.VersionTLS13)
		cert := testCert()
		std.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if h.ServerName == "slow" {
				entered <- true
				<-leave
			}
			return &cert, nil
		}
		s := serveTasks(t, rt, std, echoTask)
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
		echo(t, s.mustDial(), 100_000)
		close(leave)
		if err := want(t, slow, "slow handshake"); err != nil {
			t.Fatal(err)
		}
	})
}
