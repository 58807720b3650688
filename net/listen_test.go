package corenet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

func TestASecondInstanceIsRefused(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		ln := serve(t, rt, corenet.ListenConfig{}, echo)
		second, err := corenet.Listen(rt, "tcp", ln.Addr().String())
		if err == nil {
			second.Close()
			t.Fatal("a second group was bound to the same address")
		}
		var op *net.OpError
		if !errors.Is(err, syscall.EADDRINUSE) || !errors.As(err, &op) || op.Op != "listen" {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(err.Error(), "another instance") {
			t.Errorf("the error does not say what to do: %v", err)
		}
		exchange(t, dialStd(t, ln.Addr()), 3) // the first is unharmed
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		again, err := corenet.Listen(rt, "tcp", ln.Addr().String())
		if err != nil {
			t.Fatalf("after Close the address is not free: %v", err)
		}
		again.Close()
	})
}

func TestSharedAcrossProcesses(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		lc := corenet.ListenConfig{ShareAcrossProcesses: true}
		first := listen(t, rt, lc)
		defer first.Close()
		second, err := lc.Listen(rt, "tcp", first.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		second.Close()
	})
}

func TestPortZeroIsOnePortForTheGroup(t *testing.T) {
	onDrivers(t, coreruntime.Config{Cores: 3}, func(t *testing.T, rt *coreruntime.Runtime) {
		type seen struct {
			core          int
			local, remote string
		}
		conns := make(chan seen, 1)
		ln := serve(t, rt, corenet.ListenConfig{}, func(c *corenet.Conn) {
			conns <- seen{c.Core().ID(), c.LocalAddr().String(), c.RemoteAddr().String()}
			echo(c)
		})
		if ln.Addr().(*net.TCPAddr).Port == 0 {
			t.Fatal("the port is not resolved")
		}
		cores := map[int]bool{}
		for n := 0; n < 200 && len(cores) < 3; n++ {
			client := dialStd(t, ln.Addr())
			s := within(t, conns, "a connection")
			cores[s.core] = true
			if s.local != client.RemoteAddr().String() || s.remote != client.LocalAddr().String() {
				t.Fatalf("addresses %+v, the client has %v and %v", s, client.LocalAddr(), client.RemoteAddr())
			}
			client.Close()
		}
		if len(cores) != 3 {
			t.Errorf("connections came to the cores %v only", cores)
		}
	})
}

func TestDualStackAndFamilies(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		for _, tt := range []struct {
			network, address string
			v4, v6           bool
		}{
			{"tcp", ":0", true, true},
			{"tcp", "[::]:0", true, true},
			{"tcp4", ":0", true, false},
			{"tcp6", ":0", false, true},
			{"tcp", "localhost:0", true, false},
			{"tcp", "[::1]:0", false, true},
		} {
			ln, err := corenet.Listen(rt, tt.network, tt.address)
			if err != nil {
				if tt.v6 && !tt.v4 {
					t.Logf("%s %s: %v", tt.network, tt.address, err)
					continue
				}
				t.Fatal(err)
			}
			port := ln.Addr().(*net.TCPAddr).Port
			if got := canDial(fmt.Sprintf("127.0.0.1:%d", port)); got != tt.v4 {
				t.Errorf("%s %s: IPv4 dial %v, want %v", tt.network, tt.address, got, tt.v4)
			}
			if got := canDial(fmt.Sprintf("[::1]:%d", port)); got != tt.v6 {
				t.Errorf("%s %s: IPv6 dial %v, want %v", tt.network, tt.address, got, tt.v6)
			}
			ln.Close()
		}
	})
}

func canDial(address string) bool {
	c, err := net.DialTimeout("tcp", address, testMax)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func TestListenErrors(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		for _, tt := range []struct{ network, address string }{
			{"udp", ":0"}, {"tcp", "127.0.0.1"}, {"tcp", "127.0.0.1:notaport"}, {"tcp4", "[::1]:0"}, {"tcp", "192.0.2.1:0"},
		} {
			ln, err := corenet.Listen(rt, tt.network, tt.address)
			var op *net.OpError
			if err == nil || !errors.As(err, &op) || op.Op != "listen" {
				t.Errorf("%s %s: %v, %v", tt.network, tt.address, ln, err)
			}
		}
		ln := listen(t, rt, corenet.ListenConfig{})
		if err := ln.Serve(func(*coreruntime.Core) corenet.Protocol { return &echoProtocol{} }); err != nil {
			t.Fatal(err)
		}
		if err := ln.Serve(nil); err == nil {
			t.Error("Serve was allowed twice")
		}
		if err := inTask(t, rt, 0, func(c *coreruntime.Core) error { _, err := ln.On(c).Accept(); return err }); err == nil {
			t.Error("Accept was allowed besides Serve")
		}
		ln.Close()
		if err := ln.Serve(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve after Close: %v", err)
		}
	})
}

// A stop with everything in use: nothing may be left, and it may not take the whole drain time when
// tasks end on their cancelation.
func TestStopEndsConnectionsAndListeners(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		ln := serve(t, rt, corenet.ListenConfig{Conn: corenet.ConnConfig{LingerMax: 50 * time.Millisecond}}, echo)
		for range 20 {
			c := dialStd(t, ln.Addr())
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		if err := rt.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("Stop took %v", d)
		}
	})
}

const emfileChild = "PERCORE_TEST_EMFILE_CHILD"

// With no descriptor left accepting pauses, does not spin, and goes on when there are some again. The
// limit holds for a whole process, so a child does it.
func TestAcceptWithoutDescriptors(t *testing.T) {
	if kind := os.Getenv(emfileChild); kind != "" {
		withoutDescriptors(t, driver.Kind(kind))
		return
	}
	for _, kind := range []driver.Kind{driver.Uring, driver.Epoll} {
		t.Run(string(kind), func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestAcceptWithoutDescriptors$", "-test.v")
			cmd.Env = append(os.Environ(), emfileChild+"="+string(kind))
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "accepted after the pause") {
				t.Errorf("child: %v\n%s", err, out)
			}
		})
	}
}

func withoutDescriptors(t *testing.T, kind driver.Kind) {
	setFileLimit(t, 64) // before accept is armed: io_uring takes the limit down when it prepares the op
	rt := start(t, kind, coreruntime.Config{Cores: 1})
	ln := serve(t, rt, corenet.ListenConfig{}, echo)
	client := dialStd(t, ln.Addr())
	exchangeByte(t, client)
	taken := takeDescriptors(t)
	taken[0].Close() // for the client's end of the next connection
	late := dialStd(t, ln.Addr())
	before := rt.Metrics().Cores[0]
	time.Sleep(300 * time.Millisecond) // a spinning accept would make thousands of turns
	after := rt.Metrics().Cores[0]
	if n := after.Counters["turns"] - before.Counters["turns"]; n > 100 {
		t.Errorf("%d turns in 300 ms without descriptors", n)
	}
	if n := after.Driver.Enters - before.Driver.Enters; n > 200 {
		t.Errorf("%d system calls of the driver in 300 ms without descriptors", n)
	}
	if after.Counters["accept_backoffs"] == 0 {
		t.Error("accept has not backed off")
	}
	exchangeByte(t, client) // the others go on
	for _, f := range taken[1:] {
		f.Close()
	}
	exchangeByte(t, late)
	t.Log("accepted after the pause")
}

// takeDescriptors opens files until there is no descriptor left.
func takeDescriptors(t *testing.T) (files []*os.File) {
	t.Helper()
	for {
		f, err := os.Open("/dev/null")
		if errors.Is(err, syscall.EMFILE) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
}

func setFileLimit(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = n
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

func exchangeByte(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := c.Write([]byte{'x'}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}
