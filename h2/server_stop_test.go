package h2

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// TestServeAfterShutdown: a server that was shut down before it served starts no runtime that nobody would stop.
func TestServeAfterShutdown(t *testing.T) {
	leak.Check(t)
	s := &Server{Addr: "127.0.0.1:0", Handler: HandlerFunc(func(*Response, *Request) {})}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.ListenAndServe(); !errors.Is(err, ErrServerClosed) {
		t.Fatalf("ListenAndServe returned %v", err)
	}
}

// TestOwnerClosesTheListener: Serve returns, and what was accepted goes on. A runtime that stops is told as such.
func TestOwnerClosesTheListener(t *testing.T) {
	onDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := &Server{Runtime: rt, Handler: HandlerFunc(func(*Response, *Request) {})}
		begin := func() (*corenet.Listener, chan error) {
			ln, err := corenet.Listen(rt, "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- s.Serve(ln) }()
			return ln, done
		}
		end := func(done chan error, want error) {
			t.Helper()
			select {
			case err := <-done:
				if !errors.Is(err, want) {
					t.Errorf("Serve returned %v, want %v", err, want)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("Serve does not return")
			}
		}
		ln, done := begin()
		c, url := client(t, ln.Addr().String(), false)
		get(t, c, url+"/")
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		end(done, net.ErrClosed)
		get(t, c, url+"/")
		ln, done = begin()
		c, url = client(t, ln.Addr().String(), false)
		get(t, c, url+"/") // Serve has begun
		if err := rt.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		end(done, coreruntime.ErrStopped)
	})
}

// TestMetricsDuringShutdown: a handler may ask for the metrics while the server stops listening, which waits for the
// handler's core.
func TestMetricsDuringShutdown(t *testing.T) {
	onDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := &Server{}
		busy := make(chan struct{})
		s.Handler = HandlerFunc(func(w *Response, r *Request) {
			if r.Path == "/" {
				return
			}
			close(busy)
			for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
				s.Metrics()
				s.Addrs()
			}
		})
		addr := serve(t, rt, s, nil)
		c, url := client(t, addr, false)
		get(t, c, url+"/")
		go c.Get(url + "/busy")
		<-busy
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(ctx) }()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(15 * time.Second):
			t.Fatal("Shutdown and Metrics wait for each other")
		}
	})
}

// TestEOFWithinBlock: a client that ends its direction within a field block still gets the response to the request
// before it, also when that takes longer than HeaderBlockMax.
func TestEOFWithinBlock(t *testing.T) {
	var waiting *stream
	p := newOpenPeer(t, Limits{}, HandlerFunc(func(w *Response, r *Request) {
		waiting = w.s
		_ = w.s.park(sideWrite)
	}))
	defer p.end()
	p.request(1, true, "GET", "/")
	p.must(p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.block(":method", "GET")}))
	p.push()
	p.c.recvEOF()
	p.take(p.advance(2 * p.c.cfg.limits.HeaderBlockMax))
	waiting.task.wake(sideWrite)
	p.take(p.settle(nil))
	p.want("HEADERS 1 END_STREAM :status=200...")
	p.wantIdle()
}

// TestStopEndsHandshakes: connections whose TLS handshake has not ended, or not begun, belong to the server too.
func TestStopEndsHandshakes(t *testing.T) {
	onDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		for _, stop := range []func(*Server) error{
			func(s *Server) error { return s.Shutdown(context.Background()) },
			(*Server).Close,
		} {
			s := &Server{Handler: HandlerFunc(func(*Response, *Request) {})}
			before := accepted(rt)
			addr := serve(t, rt, s, testCertificate(t))
			c, url := client(t, addr, true)
			get(t, c, url+"/") // the server serves
			var conns []net.Conn
			for _, said := range []string{"", "\x16\x03\x01"} {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_, _ = conn.Write([]byte(said))
				conns = append(conns, conn)
			}
			for accepted(rt) < before+1+uint64(len(conns)) {
				runtime.Gosched()
			}
			if err := stop(s); err != nil {
				t.Error(err)
			}
			for _, conn := range conns {
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
				if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("reading gave %v, want the connection's end", err)
				}
			}
		}
	})
}

func accepted(rt *coreruntime.Runtime) (n uint64) {
	for _, c := range rt.Metrics().Cores {
		n += c.Counters[coreruntime.ConnsAccepted.String()]
	}
	return n
}

// TestShutdownBeforeRuntimeStops: the runtime that a server started is stopped after Shutdown, not beside it: that would
// cancel the tasks of handlers, and cut Shutdown's time to the runtime's.
func TestShutdownBeforeRuntimeStops(t *testing.T) {
	leak.Check(t)
	begun, slept := make(chan struct{}), make(chan error, 1)
	s := &Server{Addr: "127.0.0.1:0", Handler: HandlerFunc(func(_ *Response, r *Request) {
		core := r.Core()
		core.Go("helper", func() {
			close(begun)
			slept <- core.Sleep(300 * time.Millisecond)
		}).Wait()
	})}
	done := make(chan error, 1)
	go func() { done <- s.ListenAndServe() }()
	var addrs []net.Addr
	for len(addrs) == 0 {
		addrs = s.Addrs()
		runtime.Gosched()
	}
	c, url := client(t, addrs[0].String(), false)
	go func() {
		if resp, err := c.Get(url + "/"); err == nil {
			resp.Body.Close()
		}
	}()
	<-begun
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-slept; err != nil {
		t.Errorf("the handler's task was ended: %v", err)
	}
	if err := <-done; !errors.Is(err, ErrServerClosed) {
		t.Errorf("ListenAndServe returned %v", err)
	}
}

// TestFailedListenLeavesTheOther: a call of ListenAndServe that cannot have its port ends alone, and the one that
// has it goes on. When none is left the server can be started again.
func TestFailedListenLeavesTheOther(t *testing.T) {
	leak.Check(t)
	s := &Server{Addr: "127.0.0.1:0", Handler: HandlerFunc(func(*Response, *Request) {})}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s.Addr = taken.Addr().String()
	for range 2 {
		if err := s.ListenAndServe(); !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("ListenAndServe on a taken port = %v", err)
		}
	}
	taken.Close()
	served := make(chan error, 1)
	go func() { served <- s.ListenAndServe() }()
	for len(s.Addrs()) == 0 {
		runtime.Gosched()
	}
	if err := s.ListenAndServe(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("a second ListenAndServe on the server's own port = %v", err)
	}
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatalf("the first one has ended: %v", err)
	}
	conn.Close()
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, ErrServerClosed) {
		t.Errorf("ListenAndServe = %v", err)
	}
}

// TestShutdownWhileAcceptingPauses: Server.Listen's ConnsMax reaches the listener, clients beyond it wait, and a
// Shutdown in the pause ends those that are served and those that wait.
func TestShutdownWhileAcceptingPauses(t *testing.T) {
	onDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) { // two cores
		s := &Server{Addr: "127.0.0.1:0", Runtime: rt, Handler: HandlerFunc(func(*Response, *Request) {}),
			Listen: corenet.ListenConfig{ConnsMax: 1}}
		done := make(chan error, 1)
		go func() { done <- s.ListenAndServe() }()
		for len(s.Addrs()) == 0 {
			runtime.Gosched()
		}
		const clients = 8
		greeted, ended := make(chan net.Conn, clients), make(chan struct{}, clients)
		for range clients {
			c, err := net.Dial("tcp", s.Addrs()[0].String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			go greet(c, greeted, ended)
		}
		next := func() net.Conn {
			t.Helper()
			select {
			case c := <-greeted:
				return c
			case <-time.After(10 * time.Second):
				t.Fatal("no client was greeted")
				return nil
			}
		}
		next()
		next()
		// Each core may have one too many, taken for a place that the other then took itself.
		if open := rt.Core(0).Conns() + rt.Core(1).Conns(); open > 4 {
			t.Errorf("%d connections are open", open)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		for range clients {
			<-ended
		}
		if err := <-done; !errors.Is(err, ErrServerClosed) {
			t.Errorf("ListenAndServe returned %v", err)
		}
	})
}

// greet is a client that says hello, and stays until the server ends.
func greet(c net.Conn, greeted chan<- net.Conn, ended chan<- struct{}) {
	defer func() { ended <- struct{}{} }()
	defer c.Close()
	if _, err := io.WriteString(c, http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		return
	}
	if n, _ := c.Read(make([]byte, 512)); n > 0 {
		greeted <- c
		_, _ = io.Copy(io.Discard, c) // up to the GOAWAY and the end, or the test's own Close
	}
}
