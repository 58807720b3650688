package corenet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

func TestDial(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		ln := serve(t, rt, corenet.ListenConfig{}, echo)
		port := portOf(ln.Addr())
		for _, address := range []string{ln.Addr().String(), ":" + port, "localhost:" + port} {
			err := inTask(t, rt, 1, func(c *coreruntime.Core) error {
				conn, err := corenet.Dial(c, context.Background(), "tcp", address)
				if err != nil {
					return err
				}
				defer conn.Close()
				if conn.RemoteAddr().String() != ln.Addr().String() {
					t.Errorf("remote address %v", conn.RemoteAddr())
				}
				if _, err := conn.Write([]byte("hello")); err != nil {
					return err
				}
				_, err = io.ReadFull(conn, make([]byte, 5))
				return err
			})
			if err != nil {
				t.Errorf("%s: %v", address, err)
			}
		}
		quietCores(t, rt, 1)
	})
}

func portOf(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

func TestDialFails(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		for _, tt := range []struct {
			name, network, address string
			want                   error
		}{
			{"refused", "tcp", "127.0.0.1:1", syscall.ECONNREFUSED},
			{"wrong family", "tcp4", "[::1]:1", syscall.EAFNOSUPPORT},
			{"no port", "tcp", "127.0.0.1", nil},
			{"network", "udp", "127.0.0.1:1", nil},
			{"service", "tcp", "127.0.0.1:nosuchservice", nil},
		} {
			err := inTask(t, rt, 0, func(c *coreruntime.Core) error {
				_, err := corenet.Dial(c, context.Background(), tt.network, tt.address)
				return err
			})
			var op *net.OpError
			if !errors.As(err, &op) || op.Op != "dial" || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		quietCores(t, rt, 0)
	})
}

// blackhole returns an address whose connects get no answer: a listener with a full backlog.
func blackhole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "blackhole")
	t.Cleanup(func() { f.Close() })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*syscall.SockaddrInet4).Port}
	for range 8 {
		c, err := net.DialTimeout("tcp", addr.String(), 100*time.Millisecond)
		if err != nil {
			return addr.String()
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("needs a kernel whose backlog fills up")
	return ""
}

func TestDialTimeoutAndCancel(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		addr := blackhole(t)
		cause := errors.New("changed my mind")
		for _, tt := range []struct {
			name string
			ctx  func() (context.Context, func())
			want []error
		}{
			{"deadline", func() (context.Context, func()) {
				return context.WithTimeout(context.Background(), 30*time.Millisecond)
			}, []error{os.ErrDeadlineExceeded, context.DeadlineExceeded}},
			{"deadline passed", func() (context.Context, func()) {
				return context.WithTimeout(context.Background(), -1)
			}, []error{os.ErrDeadlineExceeded}},
			{"cancel", func() (context.Context, func()) {
				ctx, cancel := context.WithCancelCause(context.Background())
				timer := time.AfterFunc(30*time.Millisecond, func() { cancel(cause) })
				return ctx, func() { timer.Stop() }
			}, []error{cause}},
		} {
			ctx, stop := tt.ctx()
			err := inTask(t, rt, 0, func(c *coreruntime.Core) error {
				_, err := corenet.Dial(c, ctx, "tcp", addr)
				return err
			})
			stop()
			for _, want := range tt.want {
				if !errors.Is(err, want) {
					t.Errorf("%s: got %v, want %v", tt.name, err, want)
				}
			}
			var ne net.Error
			if tt.want[0] == os.ErrDeadlineExceeded && (!errors.As(err, &ne) || !ne.Timeout()) {
				t.Errorf("%s: %v is no timeout", tt.name, err)
			}
		}
		quietCores(t, rt, 0)
	})
}

// The dialing task is canceled, and another one is ended while it is parked.
func TestDialTaskEnds(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		addr := blackhole(t)
		errs := make(chan error, 1)
		c := rt.Core(0)
		_ = c.Post(func() {
			task := c.Go("dial", func() {
				_, err := corenet.Dial(c, context.Background(), "tcp", addr)
				errs <- err
			})
			c.Go("cancel", func() {
				_ = c.Sleep(10 * time.Millisecond)
				task.Cancel(nil)
			})
		})
		if err := within(t, errs, "the canceled dial"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		quietCores(t, rt, 0)
		_ = c.Post(func() {
			c.Go("deaf", func() {
				for {
					_, _ = corenet.Dial(c, context.Background(), "tcp", addr)
				}
			})
		})
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if err := rt.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
}
