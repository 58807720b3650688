package socket

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

func spec(network, addr string, exclusive bool) driver.ListenSpec {
	ap := netip.AddrPort{}
	if addr != "" {
		ap = netip.MustParseAddrPort(addr)
	}
	return driver.ListenSpec{Network: network, Addr: ap, Exclusive: exclusive, NoDelay: true}
}

func mustListen(t *testing.T, sp driver.ListenSpec) (int, netip.AddrPort) {
	t.Helper()
	fd, bound, err := Real{}.Listen(sp)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd, bound
}

// openGroup makes one exclusive socket and n-1 siblings, all listening.
func openGroup(t *testing.T, network, addr string, n int) ([]int, netip.AddrPort) {
	t.Helper()
	fd, bound := mustListen(t, spec(network, addr, true))
	fds := []int{fd}
	for range n - 1 {
		sp := spec(network, bound.String(), false)
		sibling, b := mustListen(t, sp)
		if b != bound {
			t.Fatalf("sibling bound to %v, want %v", b, bound)
		}
		fds = append(fds, sibling)
	}
	for _, fd := range fds {
		if err := (Real{}).StartListen(fd, 0); err != nil {
			t.Fatal(err)
		}
	}
	return fds, bound
}

func acceptAll(t *testing.T, fd int) int {
	t.Helper()
	for n := 0; ; n++ {
		c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err == unix.EAGAIN {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(c)
	}
}

func TestGroupSharesConnectionsAndRefusesASecondInstance(t *testing.T) {
	for _, tc := range []struct{ network, addr string }{
		{"tcp4", "127.0.0.1:0"}, {"tcp", "127.0.0.1:0"}, {"tcp", "[::1]:0"}, {"tcp6", "[::1]:0"}, {"tcp", "[::]:0"}, {"tcp", ""},
	} {
		t.Run(tc.network+tc.addr, func(t *testing.T) {
			fds, bound := openGroup(t, tc.network, tc.addr, 3)
			if _, _, err := (Real{}).Listen(spec(tc.network, bound.String(), true)); !errors.Is(err, unix.EADDRINUSE) {
				t.Fatalf("second instance: %v, want EADDRINUSE", err)
			}
			target := bound
			if bound.Addr().IsUnspecified() {
				target = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), bound.Port())
			}
			const conns = 60
			for range conns {
				c, err := net.Dial("tcp", target.String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
			total := 0
			for i, fd := range fds {
				n := acceptAll(t, fd)
				if n == 0 || n == conns {
					t.Errorf("socket %d took %d of %d connections", i, n, conns)
				}
				total += n
			}
			if total != conns {
				t.Errorf("%d of %d connections accepted", total, conns)
			}
		})
	}
}

// Between the bind of the first socket and the listen of the last, no moment may let another instance in.
func TestSecondInstanceIsRefusedAtEveryStep(t *testing.T) {
	refused := func(when, addr string) {
		t.Helper()
		fd, _, err := Real{}.Listen(spec("tcp4", addr, true))
		if err == nil {
			unix.Close(fd)
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("%s: %v, want EADDRINUSE", when, err)
		}
	}
	first, bound := mustListen(t, spec("tcp4", "127.0.0.1:0", true))
	refused("after the first bind", bound.String())
	sibling, _ := mustListen(t, spec("tcp4", bound.String(), false))
	refused("after a sibling's bind", bound.String())
	for i, fd := range []int{first, sibling} {
		if err := (Real{}).StartListen(fd, 16); err != nil {
			t.Fatal(err)
		}
		refused("after StartListen "+string(rune('0'+i)), bound.String())
	}
	unix.Shutdown(first, unix.SHUT_RDWR)
	refused("while only a sibling listens", bound.String())
}

// Instances that start at the same moment: never two winners. (None at all is possible: both may be
// refused when their listen calls cross.)
func TestRacingInstancesNeverShare(t *testing.T) {
	probe, free := mustListen(t, spec("tcp4", "127.0.0.1:0", true))
	unix.Close(probe)
	for round := range 200 {
		var won atomic.Int32
		var wg sync.WaitGroup
		start := make(chan struct{})
		fds := make([]int, 4)
		for i := range fds {
			wg.Go(func() {
				<-start
				fd, _, err := Real{}.Listen(spec("tcp4", free.String(), true))
				fds[i] = fd
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, unix.EADDRINUSE) {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		close(start)
		wg.Wait()
		for _, fd := range fds {
			if fd >= 0 {
				unix.Close(fd)
			}
		}
		if won.Load() > 1 {
			t.Fatalf("round %d: %d instances got the address", round, won.Load())
		}
	}
}

func TestShareAcrossProcesses(t *testing.T) {
	a, bound := mustListen(t, spec("tcp4", "127.0.0.1:0", false))
	b, _ := mustListen(t, spec("tcp4", bound.String(), false))
	for _, fd := range []int{a, b} {
		if err := (Real{}).StartListen(fd, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDualStackFollowsTheStandardLibrary(t *testing.T) {
	for _, tc := range []struct {
		network, addr string
		v4, v6        bool
	}{
		{"tcp", "0.0.0.0:0", true, true}, {"tcp", "[::]:0", true, true}, {"tcp4", "0.0.0.0:0", true, false}, {"tcp6", "[::]:0", false, true},
		{"tcp", "[::ffff:127.0.0.1]:0", true, false},
	} {
		_, bound := mustListen(t, spec(tc.network, tc.addr, true))
		for host, want := range map[string]bool{"127.0.0.1": tc.v4, "::1": tc.v6} {
			c, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr(host), bound.Port()).String())
			if got := err == nil; got != want {
				t.Errorf("%s %s reached by %s: %v, want %v", tc.network, tc.addr, host, got, want)
			}
			if err == nil {
				c.Close()
			}
		}
	}
}

func TestListenRefusesWhatCannotBe(t *testing.T) {
	for _, tc := range []struct {
		network, addr string
		want          unix.Errno
	}{
		{"tcp4", "[::1]:0", unix.EAFNOSUPPORT}, {"tcp6", "127.0.0.1:0", unix.EAFNOSUPPORT},
		{"udp", "127.0.0.1:0", unix.EAFNOSUPPORT}, {"tcp", "192.0.2.1:0", unix.EADDRNOTAVAIL},
	} {
		fd, _, err := Real{}.Listen(spec(tc.network, tc.addr, true))
		if fd != -1 || !errors.Is(err, tc.want) {
			t.Errorf("%s %s: fd %d, %v, want %v", tc.network, tc.addr, fd, err, tc.want)
		}
	}
}
