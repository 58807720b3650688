package corenet_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

func TestEchoOfRandomSizes(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		task := serve(t, rt, corenet.ListenConfig{}, echo)
		proto := listen(t, rt, corenet.ListenConfig{})
		if err := proto.Serve(func(*coreruntime.Core) corenet.Protocol { return &echoProtocol{} }); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 8 {
			addr := task.Addr()
			if i%2 == 1 {
				addr = proto.Addr()
			}
			c := dialStd(t, addr)
			wg.Go(func() { exchange(t, c, uint64(i)) })
		}
		wg.Wait()
		if err := proto.Close(); err != nil {
			t.Error(err)
		}
		quietCores(t, rt, 1)
	})
}

// exchange sends messages of random sizes and wants them back, then an end of file for its own.
func exchange(t *testing.T, c *net.TCPConn, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	sent := make(chan error, 1)
	want := pattern(300_000 + r.IntN(300_000))
	go func() {
		for p := want; len(p) > 0; {
			n := min(len(p), 1+r.IntN(1<<r.IntN(17)))
			if _, err := c.Write(p[:n]); err != nil {
				sent <- err
				return
			}
			p = p[n:]
		}
		sent <- c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("connection %d: %v", seed, err)
	}
	if err := <-sent; err != nil {
		t.Errorf("connection %d: sending: %v", seed, err)
	}
	wantBytes(t, got, want)
	c.Close()
}

// The peer has sent what nobody will read; a plain close would reset the connection and take our bytes
// with it.
func TestCloseWithUnreadInputDeliversEverything(t *testing.T) {
	want := pattern(2_000_000)
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		ln := serve(t, rt, corenet.ListenConfig{}, func(c *corenet.Conn) {
			if _, err := c.Write(want); err != nil {
				t.Errorf("write: %v", err)
			}
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		c := dialStd(t, ln.Addr())
		if _, err := c.Write(pattern(200_000)); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		wantBytes(t, got, want)
		c.Close()
		quietCores(t, rt, 1)
	})
}

func TestWriteToASlowReaderArrivesWhole(t *testing.T) {
	want := pattern(10 << 20)
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		ln := serve(t, rt, corenet.ListenConfig{SendBuffer: 64 << 10}, func(c *corenet.Conn) {
			defer c.Close()
			if _, err := c.ReadFrom(bytes.NewReader(want)); err != nil {
				t.Errorf("ReadFrom: %v", err)
			}
		})
		c := dialStd(t, ln.Addr())
		var got []byte
		buf := make([]byte, 256<<10)
		for i := 0; ; i++ {
			if i%8 == 0 {
				time.Sleep(time.Millisecond) // the slowness is the point
				for _, m := range rt.Metrics().Cores {
					if m.ChunkBytes > 2<<20 {
						t.Fatalf("core %d holds %d bytes for one slow reader", m.Core, m.ChunkBytes)
					}
				}
			}
			n, err := c.Read(buf)
			got = append(got, buf[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		wantBytes(t, got, want)
		c.Close()
		quietCores(t, rt, 1)
	})
}

// A task that does not read makes the peer wait, and holds no more than its limits. Before Linux 6.13 nothing but the
// group of 512 buffers limits what a multishot takes before the core sees its first byte.
func TestUnreadInputIsBounded(t *testing.T) {
	const heldMax = 512*4096 + 512<<10
	onDrivers(t, coreruntime.Config{Cores: 1}, func(t *testing.T, rt *coreruntime.Runtime) {
		resume := make(chan struct{})
		sum := make(chan int64, 1)
		var core *coreruntime.Core
		ln := serve(t, rt, corenet.ListenConfig{RecvBuffer: 32 << 10}, func(c *corenet.Conn) {
			core = c.Core()
			defer c.Close()
			if _, err := coreruntime.Offload(core, func() (int, error) { <-resume; return 0, nil }); err != nil {
				t.Error(err)
			}
			n, err := io.Copy(io.Discard, c)
			if err != nil {
				t.Error(err)
			}
			sum <- n
		})
		c := dialStd(t, ln.Addr())
		const total = 8 << 20
		sent := make(chan error, 1)
		go func() {
			_, err := c.Write(make([]byte, total))
			sent <- errors.Join(err, c.CloseWrite())
		}()
		for settled, last := 0, 0; settled < 20; time.Sleep(2 * time.Millisecond) {
			m := rt.Metrics().Cores[0]
			held := m.BuffersLent*4096 + m.ChunkBytes
			if held > heldMax {
				t.Fatalf("the core holds %d bytes for one task that does not read", held)
			}
			if settled++; held != last || held == 0 {
				settled, last = 0, held
			}
		}
		close(resume)
		if n := within(t, sum, "the sum"); n != total {
			t.Errorf("%d bytes arrived, %d were sent", n, total)
		}
		if err := within(t, sent, "the sender"); err != nil {
			t.Error(err)
		}
		c.Close()
		quietCores(t, rt, 1)
	})
}

func TestDeadlineFromAnotherGoroutine(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		conns, errs := make(chan *corenet.Conn, 1), make(chan error, 2)
		ln := serve(t, rt, corenet.ListenConfig{}, func(c *corenet.Conn) {
			defer c.Close()
			conns <- c
			_, err := c.Read(make([]byte, 1))
			errs <- err
			_ = c.SetDeadline(time.Time{})
			_, err = c.Read(make([]byte, 1))
			errs <- err
		})
		client := dialStd(t, ln.Addr())
		c := within(t, conns, "the connection")
		if err := c.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if err := within(t, errs, "the timeout"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := within(t, errs, "the second read"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
		client.Close()
		quietCores(t, rt, 1)
	})
}

func TestConcurrentClose(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		conns := make(chan *corenet.Conn, 64)
		ln := serve(t, rt, corenet.ListenConfig{}, func(c *corenet.Conn) {
			conns <- c
			echo(c)
		})
		for range 32 {
			client := dialStd(t, ln.Addr())
			if _, err := client.Write(pattern(5000)); err != nil {
				t.Fatal(err)
			}
			c := within(t, conns, "a connection")
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
						t.Errorf("close: %v", err)
					}
				})
			}
			wg.Wait()
			if _, err := io.Copy(io.Discard, client); err != nil {
				t.Errorf("client: %v", err)
			}
			client.Close()
		}
		quietCores(t, rt, 1)
	})
}

func TestAbortIsAReset(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		ln := serve(t, rt, corenet.ListenConfig{}, func(c *corenet.Conn) {
			_, _ = c.Read(make([]byte, 1)) // the client's connect has returned by then
			c.Abort(errors.New("enough"))
		})
		client := dialStd(t, ln.Addr())
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the peer saw %v", err)
		}
		client.Close()
		quietCores(t, rt, 1)
	})
}

func TestDetachToStd(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		out := make(chan net.Conn, 1)
		ln := serve(t, rt, corenet.ListenConfig{}, func(c *corenet.Conn) {
			head := make([]byte, 10)
			if _, err := io.ReadFull(c, head); err != nil {
				t.Error(err)
			}
			std, err := c.Std()
			if err != nil {
				t.Error(err)
			}
			if _, err := c.Read(head); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read after Std: %v", err)
			}
			out <- std
		})
		for i := range 10 {
			client := dialStd(t, ln.Addr())
			want := pattern(400_000)
			sent := make(chan error, 1)
			go func() { // Detach happens in the middle of it
				_, err := client.Write(want)
				sent <- errors.Join(err, client.CloseWrite())
			}()
			std := within(t, out, "the detached connection")
			read := io.ReadAll
			if i%2 == 1 {
				read = func(r io.Reader) ([]byte, error) {
					var b bytes.Buffer
					_, err := r.(io.WriterTo).WriteTo(&b)
					return b.Bytes(), err
				}
			}
			got, err := read(std)
			if err != nil {
				t.Error(err)
			}
			wantBytes(t, got, want[10:])
			if err := within(t, sent, "the sender"); err != nil {
				t.Error(err)
			}
			if _, err := std.Write([]byte("ok")); err != nil {
				t.Error(err)
			}
			std.Close()
			if got, err := io.ReadAll(client); err != nil || string(got) != "ok" {
				t.Errorf("client got %q %v", got, err)
			}
			client.Close()
		}
		quietCores(t, rt, 1)
	})
}

// Two connections of one core, one copied into the other: a proxy.
func TestProxyOnOneCore(t *testing.T) {
	onDrivers(t, coreruntime.Config{Cores: 1}, func(t *testing.T, rt *coreruntime.Runtime) {
		back := serve(t, rt, corenet.ListenConfig{}, echo)
		front := serve(t, rt, corenet.ListenConfig{}, func(c *corenet.Conn) {
			defer c.Close()
			up, err := corenet.Dial(c.Core(), t.Context(), "tcp", back.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer up.Close()
			there := c.Core().GoContext(t.Context(), "there", func() error {
				_, err := io.Copy(up, c)
				return errors.Join(err, up.CloseWrite())
			})
			if _, err := io.Copy(c, up); err != nil {
				t.Error(err)
			}
			if err := there.Wait(); err != nil {
				t.Error(err)
			}
		})
		exchange(t, dialStd(t, front.Addr()), 7)
		quietCores(t, rt, 2)
	})
}
