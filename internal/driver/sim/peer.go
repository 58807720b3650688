package sim

import (
	"io"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// Peer is the test's end of a connection. Its calls never wait: what cannot be done now is done in part.
type Peer struct {
	w *World
	s *socket
}

// Dial connects to a listener of the world, as a client on the same host. The error is ECONNREFUSED, or
// EAGAIN when the chosen listener's accept queue is full.
func (w *World) Dial(addr netip.AddrPort) (*Peer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.newSocket()
	s.refs = 1
	if errno := s.connect(addr); errno != 0 {
		return nil, errno
	}
	if s.state != connected {
		s.unref()
		return nil, unix.EAGAIN
	}
	return &Peer{w, s}, nil
}

// Write queues what fits of p. It returns less than len(p) and no error when the queues are full, and
// EPIPE or ECONNRESET when the connection is gone.
func (p *Peer) Write(b []byte) (int, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	n, errno := p.s.send(b)
	if errno == unix.EAGAIN {
		errno = 0
	}
	return n, asError(errno)
}

// Read takes what has arrived: 0 and no error when there is nothing, io.EOF after the other end's FIN,
// ECONNRESET after its reset.
func (p *Peer) Read(b []byte) (int, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	n, errno := p.s.recv(b)
	switch {
	case errno == unix.EAGAIN:
		return 0, nil
	case errno == 0 && n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, asError(errno)
}

// CloseWrite ends the peer's direction after what is queued.
func (p *Peer) CloseWrite() error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return asError(p.s.shutdownWrite())
}

// Close closes the peer's end as close(2) does: unread bytes make it a reset. Closing twice is harmless.
func (p *Peer) Close() error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.s.refs > 0 {
		p.s.unref()
	}
	return nil
}

// Reset closes the peer's end with an RST.
func (p *Peer) Reset() error {
	p.w.mu.Lock()
	p.s.abort = true
	p.w.mu.Unlock()
	return p.Close()
}

// LocalAddr and RemoteAddr are the two ends as the peer sees them.
func (p *Peer) LocalAddr() netip.AddrPort  { return p.s.local }
func (p *Peer) RemoteAddr() netip.AddrPort { return p.s.remote }

// Lost reports that the other end went away before anybody accepted it: an accept failed with it, or its listener was
// closed.
func (p *Peer) Lost() bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.s.lost
}

// PeerListener accepts the connections that drivers dial.
type PeerListener struct {
	w *World
	s *socket
}

// Listen opens the test's own listener; port 0 chooses one. The error is EADDRINUSE.
func (w *World) Listen(addr netip.AddrPort) (*PeerListener, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, err := w.listen(driver.ListenSpec{Network: "tcp", Addr: addr, Exclusive: true})
	if err != nil {
		return nil, err
	}
	s.refs = 1
	return &PeerListener{w, s}, nil
}

// Addr is what to dial.
func (l *PeerListener) Addr() netip.AddrPort { return l.s.local }

// Accept returns the next connection, or nil when there is none now.
func (l *PeerListener) Accept() *Peer {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	s := l.s.accept()
	if s == nil {
		return nil
	}
	s.refs = 1
	return &Peer{l.w, s}
}

// Close stops listening; connections that nobody accepted are reset.
func (l *PeerListener) Close() error {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if l.s.refs > 0 {
		l.s.unref()
	}
	return nil
}
