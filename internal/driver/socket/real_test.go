package socket

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns both ends of a connection made with AppendSockaddr and Socket.
func pair(t *testing.T, network, addr string) (client, server int) {
	t.Helper()
	ln, bound := mustListen(t, spec(network, addr, true))
	client, err := Real{}.Socket(network, bound)
	if err != nil {
		t.Fatal(err)
	}
	raw := AppendSockaddr(nil, bound)
	if err := connectRaw(client, raw); err != nil && err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	poll := []unix.PollFd{{Fd: int32(ln), Events: unix.POLLIN}}
	unix.Poll(poll, 5000)
	server, _, err = unix.Accept4(ln, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(client); unix.Close(server) })
	return client, server
}

func connectRaw(fd int, raw []byte) error {
	var sa unix.Sockaddr
	port := int(raw[2])<<8 | int(raw[3])
	if len(raw) == unix.SizeofSockaddrInet4 {
		sa = &unix.SockaddrInet4{Port: port, Addr: [4]byte(raw[4:8])}
	} else {
		sa = &unix.SockaddrInet6{Port: port, Addr: [16]byte(raw[8:24])}
	}
	return unix.Connect(fd, sa)
}

func TestNamesAndOptions(t *testing.T) {
	for _, tc := range []struct{ network, addr string }{{"tcp", "127.0.0.1:0"}, {"tcp", "[::1]:0"}, {"tcp", "[::]:0"}} {
		c, s := pair(t, tc.network, tc.addr)
		r := Real{}
		cs, err1 := r.Sockname(c)
		sp, err2 := r.Peername(s)
		if err1 != nil || err2 != nil || cs != sp || sp.Addr().Is4In6() {
			t.Errorf("%s: client is %v (%v), server sees %v (%v)", tc.addr, cs, err1, sp, err2)
		}
		if v, _ := unix.GetsockoptInt(s, unix.IPPROTO_TCP, unix.TCP_NODELAY); v != 1 {
			t.Errorf("%s: accepted socket did not inherit TCP_NODELAY", tc.addr)
		}
		if err := r.SetKeepAlive(s, true, 1500*time.Millisecond, 3*time.Second, 4); err != nil {
			t.Error(err)
		}
		for opt, want := range map[int]int{unix.TCP_KEEPIDLE: 2, unix.TCP_KEEPINTVL: 3, unix.TCP_KEEPCNT: 4} {
			if v, _ := unix.GetsockoptInt(s, unix.IPPROTO_TCP, opt); v != want {
				t.Errorf("option %d is %d, want %d", opt, v, want)
			}
		}
		if err := r.SetBuffers(s, 1<<15, 1<<14); err != nil {
			t.Error(err)
		}
		if v, _ := unix.GetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF); v != 1<<16 { // the kernel doubles it
			t.Errorf("SO_RCVBUF is %d", v)
		}
	}
}

func TestMappedPeerIsIPv4(t *testing.T) {
	fd, bound := mustListen(t, spec("tcp", "[::]:0", true))
	c, err := net.Dial("tcp4", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), bound.Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	local, _ := Real{}.Sockname(s)
	peer, _ := Real{}.Peername(s)
	if !local.Addr().Is4() || !peer.Addr().Is4() || peer.String() != c.LocalAddr().String() {
		t.Errorf("local %v peer %v, want IPv4", local, peer)
	}
}

func TestLingerAbortResetsAndSocketErrorTells(t *testing.T) {
	c, s := pair(t, "tcp4", "127.0.0.1:0")
	if e := (Real{}).SocketError(c); e != 0 {
		t.Fatalf("pending error %v", e)
	}
	if err := (Real{}).SetLingerAbort(s); err != nil {
		t.Fatal(err)
	}
	if err := (Real{}).CloseFD(s); err != nil {
		t.Fatal(err)
	}
	unix.Poll([]unix.PollFd{{Fd: int32(c), Events: unix.POLLIN}}, 5000)
	if e := (Real{}).SocketError(c); e != unix.ECONNRESET {
		t.Errorf("after an abort the peer has %v, want ECONNRESET", e)
	}
	if e := (Real{}).SocketError(-1); e != unix.EBADF {
		t.Errorf("SocketError(-1) = %v", e)
	}
}

func TestShutdownWriteDeliversThenEOF(t *testing.T) {
	c, s := pair(t, "tcp6", "[::1]:0")
	unix.Write(s, []byte("last words"))
	if err := (Real{}).ShutdownWrite(s); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for buf := make([]byte, 64); ; {
		unix.Poll([]unix.PollFd{{Fd: int32(c), Events: unix.POLLIN}}, 5000)
		n, err := unix.Read(c, buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		got = append(got, buf[:n]...)
	}
	if string(got) != "last words" {
		t.Errorf("got %q", got)
	}
}

func TestHotCallsDoNotAllocate(t *testing.T) {
	c, _ := pair(t, "tcp6", "[::1]:0")
	c4, _ := pair(t, "tcp4", "127.0.0.1:0")
	r := Real{}
	raw := make([]byte, 0, SockaddrMax)
	addr := netip.MustParseAddrPort("127.0.0.1:80")
	for what, f := range map[string]func(){
		"Sockname":       func() { r.Sockname(c) },
		"Peername":       func() { r.Peername(c4) },
		"ShutdownWrite":  func() { r.ShutdownWrite(c) },
		"CloseFD":        func() { d, _ := unix.Dup(c4); r.CloseFD(d) },
		"CloseFD error":  func() { r.CloseFD(-1) },
		"AppendSockaddr": func() { AppendSockaddr(raw, addr) },
	} {
		if n := testing.AllocsPerRun(50, f); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
}

func TestSocketRefusesTheWrongFamily(t *testing.T) {
	for _, tc := range []struct{ network, addr string }{{"tcp4", "[::1]:1"}, {"tcp6", "127.0.0.1:1"}, {"unix", "127.0.0.1:1"}} {
		if fd, err := (Real{}).Socket(tc.network, netip.MustParseAddrPort(tc.addr)); err == nil {
			unix.Close(fd)
			t.Errorf("%s %s: no error", tc.network, tc.addr)
		}
	}
	if _, err := (Real{}).Socket("tcp", netip.AddrPort{}); err == nil {
		t.Error("no error without an address")
	}
}

func TestUnackedIsWhatThePeerHasNotTaken(t *testing.T) {
	c, s := pair(t, "tcp4", "127.0.0.1:0")
	if n, err := (Real{}).Unacked(c); n != 0 || err != nil {
		t.Errorf("before: %d, %v", n, err)
	}
	unix.SetNonblock(c, true)
	p := make([]byte, 64<<10)
	for { // until the peer's buffer and ours are full
		if _, err := unix.Write(c, p); err != nil {
			break
		}
	}
	full, err := Real{}.Unacked(c)
	if full == 0 || err != nil {
		t.Fatalf("full: %d, %v", full, err)
	}
	for range 1000 {
		if n, _ := (Real{}).Unacked(c); n < full {
			return
		}
		if _, err := unix.Read(s, p); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("the peer reads, and nothing changes")
}
