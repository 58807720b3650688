package sim

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// listener is what a bound socket has beyond an end of a connection: who it takes connections for.
//
//	connect ──▶ queue (at most backlog) ──▶ Accept op or PeerListener.Accept
//	   └──▶ waiting, when the queue is full: the SYN is sent again until there is room
type listener struct {
	dual    bool // an IPv6 wildcard that takes IPv4 too
	backlog int
	queue   []*socket // server ends without a descriptor
	waiting []*socket // client ends in connecting
	noDelay bool
}

// listen binds a socket as socket.Real does: an Exclusive one is refused where anything overlaps and
// listens at once; its siblings come later and listen when StartListen says so.
func (w *World) listen(spec driver.ListenSpec) (*socket, error) {
	addr, dual, err := listenAddr(spec)
	if err != nil {
		return nil, err
	}
	if addr.Port() == 0 {
		addr = netip.AddrPortFrom(addr.Addr(), w.freePort())
	}
	s := w.newSocket()
	s.local, s.state = addr, bound
	s.listener = &listener{dual: dual, noDelay: spec.NoDelay}
	if spec.Exclusive && w.overlaps(s) {
		return nil, fmt.Errorf("percore: bind %s %s: %w", spec.Network, addr, unix.EADDRINUSE)
	}
	s.setBuffers(spec.RecvBuf, spec.SendBuf)
	w.listeners[addr.Port()] = append(w.listeners[addr.Port()], s)
	if spec.Exclusive {
		s.start(spec.Backlog)
	}
	return s, nil
}

var errNetwork = errors.New(`use "tcp", "tcp4" or "tcp6" with an address of that family`)

// listenAddr follows net.Listen: "tcp" with any unspecified address means both families.
func listenAddr(spec driver.ListenSpec) (addr netip.AddrPort, dual bool, err error) {
	ip := spec.Addr.Addr().Unmap()
	wild := !ip.IsValid() || ip.IsUnspecified()
	switch {
	case spec.Network == "tcp" && wild:
		return netip.AddrPortFrom(netip.IPv6Unspecified(), spec.Addr.Port()), true, nil
	case spec.Network == "tcp4" && !ip.IsValid():
		ip = netip.IPv4Unspecified()
	case spec.Network == "tcp6" && !ip.IsValid():
		ip = netip.IPv6Unspecified()
	case spec.Network == "tcp", spec.Network == "tcp4" && ip.Is4(), spec.Network == "tcp6" && ip.Is6():
	default:
		return addr, false, fmt.Errorf("percore: listen %s %s: %w", spec.Network, spec.Addr, errNetwork)
	}
	return netip.AddrPortFrom(ip, spec.Addr.Port()), false, nil
}

// takes reports how well s fits connections to dst: 0 not at all, 3 best (inet_lookup's score).
func (s *socket) takes(dst netip.Addr) int {
	ip := s.local.Addr()
	switch {
	case ip == dst:
		return 3
	case ip.IsUnspecified() && ip.Is4() == dst.Is4():
		return 2
	case s.listener.dual && dst.Is4():
		return 1
	}
	return 0
}

func (w *World) overlaps(s *socket) bool {
	for _, other := range w.listeners[s.local.Port()] {
		if other.takes(s.local.Addr()) > 0 || s.takes(other.local.Addr()) > 0 {
			return true
		}
	}
	return false
}

// start puts s into the listening state, or changes its backlog.
func (s *socket) start(backlog int) {
	if backlog <= 0 || backlog > BacklogMax {
		backlog = BacklogMax
	}
	s.listener.backlog, s.state = backlog, listening
	s.fillBacklog()
}

// choose returns the listener that gets a connection to dst, nil if there is none.
func (w *World) choose(dst netip.AddrPort) *socket {
	best, n := 1, 0
	for _, s := range w.listeners[dst.Port()] {
		if score := s.takes(dst.Addr()); s.state == listening && score > best {
			best = score
		}
	}
	for _, s := range w.listeners[dst.Port()] {
		if s.state == listening && s.takes(dst.Addr()) == best {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	pick := w.sched.member(n)
	for _, s := range w.listeners[dst.Port()] {
		if s.state == listening && s.takes(dst.Addr()) == best {
			if pick == 0 {
				return s
			}
			pick--
		}
	}
	panic("BUG: the chosen group member does not exist")
}

// connect begins a connection from s. On return s is connected, connecting, or refused.
func (s *socket) connect(dst netip.AddrPort) unix.Errno {
	switch s.state {
	case connected:
		return unix.EISCONN
	case connecting:
		return unix.EALREADY
	case fresh:
	default:
		return unix.EINVAL
	}
	if dst.Addr().IsUnspecified() { // "this host", ip(7)
		dst = netip.AddrPortFrom(loopback(dst.Addr()), dst.Port())
	}
	l := s.w.choose(dst)
	if l == nil {
		return unix.ECONNREFUSED
	}
	s.local, s.remote, s.state = s.w.ephemeral(dst), dst, connecting
	s.peer = l
	l.listener.waiting = append(l.listener.waiting, s)
	l.fillBacklog()
	return 0
}

func loopback(ip netip.Addr) netip.Addr {
	if ip.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// fillBacklog completes the handshakes for which the accept queue has room.
func (s *socket) fillBacklog() {
	l := s.listener
	for len(l.waiting) > 0 && len(l.queue) < l.backlog {
		client := l.waiting[0]
		l.waiting = l.waiting[1:]
		server := s.w.newSocket()
		server.sndMax, server.rcvMax = s.sndMax, s.rcvMax
		server.local, server.remote = client.remote, client.local
		join(client, server)
		l.queue = append(l.queue, server)
		client.wakeWriters()
	}
	if len(l.queue) > 0 {
		s.wakeReaders()
	}
}

// accept takes the oldest connection out of the queue; nil if there is none.
func (s *socket) accept() *socket {
	l := s.listener
	if len(l.queue) == 0 {
		return nil
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	s.fillBacklog()
	return c
}

// leaveBacklog forgets a connection that was never completed.
func (s *socket) leaveBacklog() {
	l := s.peer.listener
	for i, c := range l.waiting {
		if c == s {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return
		}
	}
}

// unlisten closes a listener: what nobody has accepted is reset (inet_csk_listen_stop).
func (w *World) unlisten(s *socket) {
	group := w.listeners[s.local.Port()]
	for i, other := range group {
		if other == s {
			w.listeners[s.local.Port()] = append(group[:i:i], group[i+1:]...)
			break
		}
	}
	for _, c := range s.listener.queue {
		c.drop()
	}
	for _, c := range s.listener.waiting {
		c.state, c.err, c.peer = fresh, unix.ECONNREFUSED, nil
		c.wakeWriters()
	}
	s.listener.queue, s.listener.waiting = nil, nil
}

// drop resets a connection that nobody has accepted.
func (s *socket) drop() {
	s.peer.lost, s.abort = true, true
	s.disconnect()
	s.state = closed
}
