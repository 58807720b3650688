package drivertest

import (
	"io"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/socket"
)

// Loopback is the Network of drivers on the kernel: plain non-blocking sockets, without Go's netpoller.
type Loopback struct{ socket.Real }

type loopPeer struct {
	socket.Real
	fd int
}

type loopListener struct {
	socket.Real
	fd   int
	addr netip.AddrPort
}

// peerRecvBuf is a peer's SO_RCVBUF in bytes.
const peerRecvBuf = 128 << 10

// Dial connects and waits for it: on loopback the handshake is done without the listener's process.
func (l Loopback) Dial(addr netip.AddrPort) (Peer, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	// A fixed receive buffer does not tune itself to the traffic: a socket that is full stays full.
	_ = l.SetBuffers(fd, peerRecvBuf, 0)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	_ = l.SetNoDelay(fd, true)
	return &loopPeer{fd: fd}, unix.SetNonblock(fd, true)
}

// Listen opens a listener on a free port.
func (l Loopback) Listen() (Listener, error) {
	spec := driver.ListenSpec{Network: "tcp4", Addr: netip.MustParseAddrPort("127.0.0.1:0"), Exclusive: true}
	fd, addr, err := l.Real.Listen(spec)
	if err != nil {
		return nil, err
	}
	return &loopListener{fd: fd, addr: addr}, nil
}

func (p *loopPeer) Write(b []byte) (int, error) {
	n, err := unix.Write(p.fd, b)
	if err == unix.EAGAIN {
		return 0, nil
	}
	return max(n, 0), err
}

func (p *loopPeer) Read(b []byte) (int, error) {
	n, err := unix.Read(p.fd, b)
	switch {
	case err == unix.EAGAIN:
		return 0, nil
	case err == nil && n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return max(n, 0), err
}

func (p *loopPeer) CloseWrite() error { return p.ShutdownWrite(p.fd) }

func (p *loopPeer) Close() error {
	if p.fd < 0 {
		return nil
	}
	fd := p.fd
	p.fd = -1
	return unix.Close(fd)
}

func (p *loopPeer) Reset() error {
	_ = p.SetLingerAbort(p.fd)
	return p.Close()
}

func (l *loopListener) Addr() netip.AddrPort { return l.addr }

func (l *loopListener) Accept() Peer {
	fd, _, err := unix.Accept4(l.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return nil
	}
	return &loopPeer{fd: fd}
}

func (l *loopListener) Close() error { return unix.Close(l.fd) }
