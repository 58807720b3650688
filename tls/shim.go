package coretls

import (
	"net"
	"time"
)

// source gives a running handshake its cipher bytes. read may wait: it parks
// the handshake's task, or blocks the handshake's own goroutine. It never hands
// out bytes of two records in one call, so crypto/tls reads nothing ahead.
type source interface {
	read(p []byte) (int, error)
}

// sink, if the source is one too, takes the handshake's output at once: the
// goroutine of an off-core handshake may not touch what the core owns.
type sink interface {
	write(p []byte)
}

// shim is the net.Conn under a tls.Conn. It has no socket. During the handshake
// it reads from src; afterwards it holds exactly one record in `in` and answers
// a temporary error when that is used up, which crypto/tls passes on without
// making it sticky. Its Write never blocks: what crypto/tls writes is
// appended to out, which the owner drains.
type shim struct {
	mem memory
	src source // only while the handshake runs
	in  []byte // the rest of the record being opened; lent by the caller of codec.next
	out []byte // sealed bytes: a pooled chunk, or the caller's while direct
	// direct: out belongs to the caller of codec.seal and grows by append.
	direct bool

	addrs addresses
}

// addresses is the part of a connection that callbacks of a tls.Config may ask for.
type addresses interface {
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

func (s *shim) Read(p []byte) (int, error) {
	if s.src != nil {
		return s.src.read(p)
	}
	if len(s.in) == 0 {
		return 0, errWouldBlock
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *shim) Write(p []byte) (int, error) {
	if k, ok := s.src.(sink); ok {
		k.write(p)
		return len(p), nil
	}
	if s.direct {
		s.out = append(s.out, p...)
	} else {
		s.out = appendChunk(s.mem, s.out, p)
	}
	return len(p), nil
}

// Close does nothing: the connection below is closed by its owner, never by crypto/tls.
func (s *shim) Close() error { return nil }

func (s *shim) LocalAddr() net.Addr  { return s.addrs.LocalAddr() }
func (s *shim) RemoteAddr() net.Addr { return s.addrs.RemoteAddr() }

func (s *shim) SetDeadline(time.Time) error      { return nil }
func (s *shim) SetReadDeadline(time.Time) error  { return nil }
func (s *shim) SetWriteDeadline(time.Time) error { return nil }

// wouldBlock is the only error crypto/tls does not keep: a net.Error that says
// Temporary (readRecordOrCCS in crypto/tls/conn.go). canary_test.go watches it.
type wouldBlock struct{}

var errWouldBlock error = wouldBlock{}

func (wouldBlock) Error() string   { return "tls: no whole record yet" }
func (wouldBlock) Timeout() bool   { return false }
func (wouldBlock) Temporary() bool { return true }
