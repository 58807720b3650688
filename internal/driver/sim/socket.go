package sim

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// state is where a socket stands. fresh → listening, or fresh → connecting → connected; any → closed.
type state uint8

const (
	fresh      state = iota
	bound            // has an address, StartListen follows
	listening        // has an accept queue
	connecting       // waits for room in a listener's accept queue
	connected        // also after a reset: dead says so
	closed
)

// socket is one end of a connection, or a listener. It lives while a descriptor, a Peer or an op holds
// it (refs); what close does happens when the last of them lets go, as with a file in the kernel.
type socket struct {
	w             *World
	serial        lane // its number, from 1
	state         state
	refs          int
	local, remote netip.AddrPort

	peer    *socket // other end; stays set when that end has closed
	in, out *pipe
	err     unix.Errno // SO_ERROR: reported once
	dead    bool       // a reset was sent or received
	shut    bool       // own direction ended
	abort   bool       // SO_LINGER with zero time
	lost    bool       // the other end went away before it was accepted

	readers, writers []*op // ops that wait, first come first
	sndMax, rcvMax   int

	listener *listener // bound and listening only
}

func (w *World) newSocket() *socket {
	w.sockets++
	return &socket{w: w, serial: w.sockets, sndMax: w.sndMax, rcvMax: w.rcvMax}
}

// join makes a and b the two ends of one connection.
func join(a, b *socket) {
	ab := &pipe{sndMax: a.sndMax, rcvMax: b.rcvMax}
	ba := &pipe{sndMax: b.sndMax, rcvMax: a.rcvMax}
	a.in, a.out, a.peer, a.state = ba, ab, b, connected
	b.in, b.out, b.peer, b.state = ab, ba, a, connected
}

// takeErr returns the pending error and forgets it (SO_ERROR).
func (s *socket) takeErr() unix.Errno {
	err := s.err
	s.err = 0
	return err
}

// recv reads at most len(b) bytes: n > 0, or 0 and an errno, or 0 and 0 for end of file. The order is
// Linux's (tcp_recvmsg_locked): queued bytes, then a FIN, then the pending error, then end of file.
func (s *socket) recv(b []byte) (int, unix.Errno) {
	switch {
	case s.state != connected:
		return 0, unix.ENOTCONN
	case s.in.arrived > 0:
		n := s.in.read(b)
		s.peer.wakeWriters()
		return n, 0
	case s.in.ended():
		return 0, 0
	case s.err != 0:
		return 0, s.takeErr()
	case s.dead:
		return 0, 0
	}
	return 0, unix.EAGAIN
}

// readable is how many bytes recv would find, and whether recv would return anything at all.
func (s *socket) readable() (n int, ready bool) {
	if s.state != connected {
		return 0, true
	}
	return s.in.arrived, s.in.arrived > 0 || s.in.ended() || s.err != 0 || s.dead
}

// writable reports whether send would return anything at all.
func (s *socket) writable() bool {
	return s.state != connected || s.err != 0 || s.dead || s.shut || s.out.gone || s.out.room() > 0
}

// send queues what fits of b. An empty b on a live connection is 0 and no error.
func (s *socket) send(b []byte) (int, unix.Errno) {
	switch {
	case s.state != connected:
		return 0, unix.EPIPE
	case s.err != 0:
		return 0, s.takeErr()
	case s.dead || s.shut:
		return 0, unix.EPIPE
	case len(b) == 0:
		return 0, 0
	case s.out.gone: // the bytes leave, and a reset comes back for them
		s.reset()
		return len(b), 0
	}
	n := s.out.write(b)
	if n == 0 {
		return 0, unix.EAGAIN
	}
	s.peer.wakeReaders()
	return n, 0
}

// shutdownWrite ends the own direction after what is queued.
func (s *socket) shutdownWrite() unix.Errno {
	if s.state != connected || s.dead {
		return unix.ENOTCONN
	}
	s.shut, s.out.fin = true, true
	s.peer.wakeReaders()
	s.wakeWriters()
	return 0
}

// reset is the arrival of an RST (tcp_reset): what has arrived stays readable, all else is lost. After a
// FIN the error is EPIPE and reads see end of file, otherwise ECONNRESET.
func (s *socket) reset() {
	if s.dead || s.state != connected {
		return
	}
	s.dead = true
	s.err = unix.ECONNRESET
	if s.in.ended() {
		s.err = unix.EPIPE
	}
	s.in.fin = s.in.ended()
	s.in.cutOff()
	s.out.clear()
	s.wakeReaders()
	s.wakeWriters()
}

// unref lets go of the socket; the last one closes it.
func (s *socket) unref() {
	if s.refs--; s.refs > 0 {
		return
	}
	switch s.state {
	case connected:
		s.disconnect()
	case bound, listening:
		s.w.unlisten(s)
	case connecting:
		s.leaveBacklog()
	}
	s.state = closed
}

// disconnect is close(2) on a connection: a reset when bytes stay unread or lingering was switched off
// (RFC 1122 4.2.2.13; tcp_close), otherwise a FIN after what is queued.
func (s *socket) disconnect() {
	if s.dead {
		return
	}
	if s.abort || s.in.len() > 0 {
		s.dead = true
		s.out.cutOff()
		s.in.clear()
		s.peer.reset()
		return
	}
	s.in.gone, s.out.fin = true, true
	s.peer.wakeReaders()
}

func (s *socket) wakeReaders() { wake(s.readers) }
func (s *socket) wakeWriters() { wake(s.writers) }

func wake(ops []*op) {
	for _, o := range ops {
		o.d.makeReady(o)
	}
}
