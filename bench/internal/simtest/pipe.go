package simtest

import (
	"crypto/tls"
	"io"
	"iter"
	"net"
	"time"

	"github.com/percore/percore/internal/driver/sim"
)

// tube carries a client's bytes to and from its sim.Peer and never waits: during the handshake a read without bytes
// yields to the player, later it says errNothing, which crypto/tls passes on and survives.
type tube struct {
	peer   *sim.Peer
	out    []byte // not taken by the network yet
	end    error  // reading has ended with it
	yield  func(struct{}) bool
	small  bool // writes go in pieces
	closed bool
	moved  int // bytes and answers, both ways: progress

	cut  func() // if set, it is called after left more bytes, and nothing goes out from then on
	left int
	dead bool
}

type nothing struct{}

func (nothing) Error() string   { return "nothing there" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

var errNothing net.Error = nothing{}

func (t *tube) Read(p []byte) (int, error) {
	for {
		if t.end != nil {
			return 0, t.end
		}
		n, err := t.peer.Read(p)
		t.moved += n
		if t.end = err; n > 0 || err != nil {
			return n, err
		}
		if t.yield == nil {
			return 0, errNothing
		}
		if !t.yield(struct{}{}) {
			return 0, io.ErrClosedPipe
		}
	}
}

func (t *tube) Write(p []byte) (int, error) {
	if !t.dead {
		t.out = append(t.out, p...)
		t.flush()
	}
	return len(p), nil
}

// flush gives the network what it takes.
func (t *tube) flush() {
	for len(t.out) > 0 && !t.closed {
		k := len(t.out)
		if t.small {
			k = min(k, 7)
		}
		if t.cut != nil {
			k = min(k, t.left)
		}
		n, err := t.peer.Write(t.out[:k])
		t.out = t.out[n:]
		t.moved += n
		if t.left -= n; t.cut != nil && t.left == 0 {
			t.out, t.dead = nil, true
			t.cut()
			return
		}
		if err != nil {
			t.out = nil // the reading side tells
			return
		}
		if n == 0 || t.small {
			return
		}
	}
}

func (t *tube) Close() error                     { return nil }
func (t *tube) LocalAddr() net.Addr              { return net.TCPAddrFromAddrPort(t.peer.LocalAddr()) }
func (t *tube) RemoteAddr() net.Addr             { return net.TCPAddrFromAddrPort(t.peer.RemoteAddr()) }
func (t *tube) SetDeadline(time.Time) error      { return nil }
func (t *tube) SetReadDeadline(time.Time) error  { return nil }
func (t *tube) SetWriteDeadline(time.Time) error { return nil }

// handshake is a TLS handshake that goes on a bit with each call of next.
type handshake struct {
	conn *tls.Conn
	next func() (struct{}, bool)
	stop func()
	err  error
}

// shake begins one. It runs in a coroutine and not on a goroutine, so that nothing but the plan decides on orders.
func shake(t *tube, most uint16) *handshake {
	h := &handshake{conn: tls.Client(t, clientTLS(most))}
	h.next, h.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		h.err = h.conn.Handshake()
		t.yield = nil
	})
	return h
}
