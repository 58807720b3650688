package coretls

import (
	"log/slog"
	"time"

	"github.com/percore/percore/runtime"
)

// Flush implements corenet.Protocol: what TLS has to say, then inner's
// plaintext as records, then the close_notify if this is the last Flush.
func (e *engine) Flush(now time.Duration, dst []byte) []byte {
	dst = e.drain(dst)
	if e.inner == nil || e.err != nil || e.closed || e.bye {
		return dst
	}
	core := e.conn.Core()
	chunk := core.Chunk(chunkFlush)
	defer core.FreeChunk(chunk)
	e.busy = true
	plain := e.inner.Flush(now, chunk[:0])
	e.settle()
	if e.closed {
		return dst
	}
	return e.seal(dst, plain)
}

func (e *engine) seal(dst, plain []byte) []byte {
	dst, err := e.codec.seal(dst, plain)
	if err != nil {
		// crypto/tls refuses to write after a fatal alert of its own only.
		e.fail(err)
		return dst
	}
	if e.conn.Closing() {
		e.bye = true
		dst = e.codec.sealClose(dst)
	}
	return dst
}

// drain moves TLS's own output to dst. While the handshake runs on a goroutine
// of its own, output has put it where drain looks.
func (e *engine) drain(dst []byte) []byte {
	if e.closed {
		return dst
	}
	return e.codec.drain(dst)
}

// handshakeDone goes on after the handshake h has ended with err.
func (e *engine) handshakeDone(h *handshake, err error) {
	if e.closed {
		e.report(h, err)
		if !h.running {
			h.in.release()
			e.release()
			e.hs = nil
		}
		return
	}
	if err != nil {
		e.refuse(h, err)
		return
	}
	state := e.codec.tls.ConnectionState()
	e.codec.ready(state.Version)
	inner, err := e.open(&state)
	if err != nil {
		e.refuse(h, err)
		return
	}
	e.hs, e.inner = nil, inner
	if h.in.waiting() > 0 {
		e.early = &h.in
	}
	e.begin(h)
}

// begin is the first moment of the protocol above.
func (e *engine) begin(h *handshake) {
	now := e.conn.Core().Now()
	if h.paused {
		e.conn.Resume()
	}
	e.conn.Touch() // session tickets, the last flight
	e.inner.Open(e.conn)
	if e.early != nil {
		e.Data(now, nil)
	}
	if h.eof {
		e.EOF(now)
	}
}

// refuse ends a connection whose handshake failed; the alert still goes out.
func (e *engine) refuse(h *handshake, err error) {
	e.report(h, err)
	if e.err == nil {
		e.err = newHandshakeError(e.conn.RemoteAddr(), err)
	}
	if !h.running {
		h.in.release()
		e.hs = nil
	}
	if h.err != nil {
		e.conn.Abort(e.err)
		return
	}
	if h.result == nil {
		e.codec.goodbye() // TLS is in good order, but no protocol is
	}
	e.conn.Touch()
	// Close can only say that it was closed before.
	_ = e.conn.Close()
}

// report tells of a failed handshake, once; not of those that ended because
// the server stops, or because the peer went away without a word.
func (e *engine) report(h *handshake, err error) {
	if e.told || err == nil || err == errHandshakeDrained || h.in.total == 0 && err != ErrHandshakeTimeout {
		return
	}
	e.told = true
	e.conn.Core().Count(coreruntime.HandshakeErrors, 1)
	he := newHandshakeError(e.conn.RemoteAddr(), err)
	if e.cfg.HandshakeFailed != nil {
		e.cfg.HandshakeFailed(he)
		return
	}
	if n, ok := e.cfg.governor(e.conn.Core()).mayLog(e.conn.Core().Now()); ok {
		e.conn.Core().Logger().Warn("TLS handshake failed", slog.Any("error", he), slog.Int("unlogged", n))
	}
}
