package uring

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/socket"
)

const (
	kindAccept = iota + 1
	kindRecv
	kindSend
	kindCancel
	kindConnect
)

func token(kind uint8, slot uint32) driver.Token { return driver.NewToken(kind, 1, slot) }

// onThread runs the test on a locked thread, opens a driver there, and proves afterwards that no
// descriptor and no mapping is left.
func onThread(t *testing.T, cfg Config, body func(d *Driver)) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fds, maps := openFDs(t), ringMaps(t)
	d, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed { // body ended the test: still free the thread's ring
			d.Close()
		}
	}()
	body(d)
	if err := d.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	closed = true
	if got := openFDs(t); len(got) != len(fds) {
		t.Errorf("descriptors before %v, after %v", fds, got)
	}
	if got := ringMaps(t); got != maps {
		t.Errorf("io_uring mappings: %d before, %d after", maps, got)
	}
}

func openFDs(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var fds []string
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		// The directory itself, and the runtime's own poller which comes with the first net.Dial.
		if err != nil || strings.Contains(to, "[eventpoll]") || strings.Contains(to, "/fd") {
			continue
		}
		fds = append(fds, e.Name()+"="+to)
	}
	// The runtime's poller has an eventfd too; a driver's own is one more, so the count still tells.
	return fds
}

func ringMaps(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "io_uring")
}

func TestMain(m *testing.M) {
	// The runtime's poller opens its descriptors at the first use: have it done before any leak check.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	os.Exit(m.Run())
}

// await calls Wait until ok has seen what it wants.
func await(t *testing.T, d *Driver, what string, ok func(c driver.Completion) bool) {
	t.Helper()
	out := make([]driver.Completion, 64)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		n, err := d.Wait(out, 1, time.Second)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		done := false
		for _, c := range out[:n] {
			done = ok(c) || done
		}
		if done {
			return
		}
	}
	t.Fatalf("%s: nothing for 10 s", what)
}

func listen(t *testing.T) (int, netip.AddrPort) {
	t.Helper()
	fd, addr, err := socket.Real{}.Listen(driver.ListenSpec{Network: "tcp4", Addr: netip.MustParseAddrPort("127.0.0.1:0"), Exclusive: true, NoDelay: true})
	if err != nil {
		t.Fatal(err)
	}
	return fd, addr
}

func TestEcho(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		ln, addr := listen(t)
		defer unix.Close(ln)
		d.Submit(driver.Op{Code: driver.Accept, Multi: true, FD: int32(ln), Token: token(kindAccept, 1)})
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conn := -1
		await(t, d, "accept", func(c driver.Completion) bool {
			conn = int(c.Res)
			return c.Token == token(kindAccept, 1) && c.More && c.Bid == driver.NoBuffer && c.Res >= 0
		})
		defer unix.Close(conn)
		for _, multi := range []bool{false, true} {
			d.Submit(driver.Op{Code: driver.Recv, Multi: multi, FD: int32(conn), Token: token(kindRecv, 1)})
			fmt.Fprint(c, "hello")
			await(t, d, "recv", func(c driver.Completion) bool {
				if c.Token != token(kindRecv, 1) || c.More != multi || c.Bid < 0 {
					t.Fatalf("recv multi=%v: %+v", multi, c)
				}
				p := d.Buffer(c.Bid)[:c.Res]
				if string(p) != "hello" {
					t.Fatalf("received %q", p)
				}
				d.Submit(driver.Op{Code: driver.Send, FD: int32(conn), Token: token(kindSend, 1), Buf: []byte("world")})
				d.Recycle(c.Bid)
				return true
			})
			await(t, d, "send", func(c driver.Completion) bool { return c.Token == token(kindSend, 1) && c.Res == 5 && !c.More })
			got := make([]byte, 5)
			if _, err := c.Read(got); err != nil || string(got) != "world" {
				t.Fatalf("%q, %v", got, err)
			}
		}
		c.Close()
		await(t, d, "end of file", func(c driver.Completion) bool {
			return c.Token == token(kindRecv, 1) && c.Res == 0 && !c.More && c.Bid == driver.NoBuffer
		})
	})
}
