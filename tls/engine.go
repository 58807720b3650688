package coretls

import (
	"io"
	"net"
	"time"

	"github.com/percore/percore/net"
)

// outputMax bounds what TLS itself may have to say (KeyUpdate replies, alerts)
// before the connection has sent what it said earlier.
const outputMax = 16 << 10

// heldMax bounds the plaintext an inner protocol may leave untaken.
const heldMax = 64 << 10

// engine is a corenet.Protocol that speaks TLS below and lends the plaintext to
// another corenet.Protocol above. All methods run on the connection's core.
type engine struct {
	cfg   *Config
	open  Open
	conn  *corenet.Conn
	codec codec
	inner corenet.Protocol // nil until the handshake is done

	hs    *handshake // nil once it is done
	early *intake    // records that came with the handshake's last flight
	cut   bool       // the transport ended while early was not read

	plain []byte // opened and not taken by inner: a pooled chunk, from off on
	off   int

	end    error // what reading ended with, told to inner after all plaintext
	err    error // fatal: only alerts are sent any more
	told   bool  // end was acted upon, or the failed handshake reported
	busy   bool  // inside a call of ours: Closed leaves the memory to it
	hungry bool  // inner took nothing of what is held: it waits for more
	closed bool  // Closed was called
	bye    bool  // the close_notify is out
}

// NewEngine returns the server side of TLS for one connection, to be given to
// Listener.Serve or Conn.Bind. After the handshake open chooses the protocol
// above, which gets the same *corenet.Conn: Touch, Pause, Resume, Close and
// Abort work on it unchanged, Data and Flush carry plaintext.
//
// Closed tells the inner protocol why the connection ended: nil or io.EOF as
// corenet does; a *RecordError when TLS broke, with io.ErrUnexpectedEOF inside
// if the peer cut the connection without a close_notify (RFC 8446 section 6.1).
func NewEngine(cfg *Config, open Open) corenet.Protocol {
	return &engine{cfg: cfg, open: open}
}

// Open implements corenet.Protocol.
func (e *engine) Open(c *corenet.Conn) {
	e.conn = c
	e.hs = newHandshake(e)
}

// Data implements corenet.Protocol: cipher bytes in.
func (e *engine) Data(now time.Duration, p []byte) int {
	switch {
	case e.over():
		return len(p)
	case e.hs != nil:
		return e.hs.feed(p)
	}
	e.busy = true
	n := e.process(now, p)
	e.settle()
	e.again()
	return n
}

// Resumed implements corenet.Holder.
func (e *engine) Resumed(now time.Duration) {
	if e.off < len(e.plain) || e.early != nil || e.end != nil && !e.told {
		e.Data(now, nil)
	}
}

// process gives inner what is held, then opens the records of the handshake's
// last flight, then those of p.
func (e *engine) process(now time.Duration, p []byte) int {
	if e.early != nil {
		n := e.early.put(p)
		e.drainEarly(now)
		return n
	}
	return e.records(now, p)
}

// drainEarly opens the records that came with the handshake's last flight.
func (e *engine) drainEarly(now time.Duration) {
	e.early.skip(e.records(now, e.early.rest()))
	if e.early.waiting() == 0 {
		e.early = nil
		if e.cut && !e.over() {
			e.ended(e.codec.cut())
		}
		e.deliver(now) // an end had to wait for this
	}
}

// records opens the records of p, one by one, while inner takes what they hold.
func (e *engine) records(now time.Duration, p []byte) int {
	n := 0
	for e.deliver(now) && n < len(p) && !e.conn.Paused() {
		k, m, err := e.codec.next(p[n:], e.room())
		n += k
		e.plain = e.plain[:len(e.plain)+m]
		e.said()
		if err != nil {
			e.ended(err)
		}
	}
	if e.over() {
		return len(p)
	}
	return n
}

// said sends what TLS wrote while it read.
func (e *engine) said() {
	if n := e.codec.pending(); n > outputMax {
		e.codec.fail(ErrTooMuchOutput)
		e.fail(ErrTooMuchOutput)
	} else if n > 0 {
		e.conn.Touch()
	}
}

// deliver lends the held plaintext to inner and reports whether another record
// may be opened: when nothing is left, or when inner took nothing and so waits
// for more to follow what it saw.
func (e *engine) deliver(now time.Duration) bool {
	if e.over() {
		return false
	}
	if e.off < len(e.plain) {
		if e.conn.Paused() {
			return false
		}
		n := e.inner.Data(now, e.plain[e.off:])
		if n < 0 || n > len(e.plain)-e.off {
			panic("BUG: Protocol.Data took more than it was given")
		}
		e.off += n
		e.hungry = n == 0
		if e.off < len(e.plain) {
			if !e.hungry || e.over() || e.conn.Paused() {
				return false
			}
			if e.end == nil || e.early != nil {
				return len(e.plain)-e.off <= heldMax-plaintextMax
			}
			// Nothing can follow any more: as corenet does, drop what inner
			// would not take.
		}
	}
	e.plain, e.off = e.plain[:0], 0
	if e.end != nil && !e.told && e.early == nil && !e.conn.Paused() {
		e.tell(now)
	}
	return !e.over()
}

// room returns the free space behind the held plaintext, for one record.
func (e *engine) room() []byte {
	if cap(e.plain)-len(e.plain) < plaintextMax {
		held := e.plain[e.off:]
		next := e.conn.Core().Chunk(len(held) + plaintextMax)
		next = next[:copy(next, held)]
		freeChunk(e.conn.Core(), e.plain)
		e.plain, e.off = next, 0
	}
	return e.plain[len(e.plain) : len(e.plain)+plaintextMax]
}

// settle gives back what is not needed between two calls.
func (e *engine) settle() {
	e.busy = false
	if e.closed {
		e.release()
	} else if e.plain != nil && e.off == len(e.plain) {
		freeChunk(e.conn.Core(), e.plain)
		e.plain, e.off = nil, 0
	}
}

// again sees to it that inner is offered in the next turn what it left in this
// one. If it paused, its own Resume does that; if it waits for more, the next
// bytes do.
func (e *engine) again() {
	left := e.off < len(e.plain) || e.early != nil
	if left && !e.over() && !e.conn.Paused() && !e.hungry {
		e.conn.Resume()
	}
}

// EOF implements corenet.Protocol: the transport's end.
func (e *engine) EOF(now time.Duration) {
	switch {
	case e.over():
	case e.hs != nil:
		e.hs.ended()
	default:
		e.cut = true
		if e.early == nil {
			e.busy = true
			e.ended(e.codec.cut())
			e.deliver(now)
			e.settle()
			e.again()
		}
	}
}

// ended notes why there is no more to read. What we refuse ends the connection
// at once; what the peer ended in order waits for the plaintext before it.
func (e *engine) ended(err error) {
	if e.end != nil {
		return
	}
	e.end = err
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		e.fail(err)
	}
}

// tell passes the end on.
func (e *engine) tell(now time.Duration) {
	e.told = true
	if e.end == io.EOF {
		e.inner.EOF(now)
	} else {
		e.fail(e.end)
	}
}

// fail ends the connection. What we refused is answered with an alert, which
// the close ladder still sends.
func (e *engine) fail(cause error) {
	if e.err != nil {
		return
	}
	e.err = newRecordError(e.conn.RemoteAddr(), cause)
	if cause == io.ErrUnexpectedEOF || cause == ErrTooMuchOutput {
		e.conn.Abort(e.err)
		return
	}
	e.conn.Touch()
	// Close can only say that it was closed before.
	_ = e.conn.Close()
}

// over says that nothing the peer sends matters any more.
func (e *engine) over() bool { return e.err != nil || e.closed || e.conn.Closing() }

// Drain implements corenet.Protocol.
func (e *engine) Drain(now time.Duration) {
	switch {
	case e.over():
	case e.hs != nil:
		e.hs.stop(errHandshakeDrained)
	default:
		e.inner.Drain(now)
	}
}

// Closed implements corenet.Protocol.
func (e *engine) Closed(now time.Duration, err error) {
	e.closed = true
	if e.err != nil {
		err = e.err
	}
	if e.hs != nil {
		if err == nil {
			err = net.ErrClosed
		}
		h := e.hs
		h.stop(err)
		if h.off != nil {
			h.in.release() // its goroutine has copies of its own
		}
	}
	if !e.busy {
		e.release()
	}
	if e.inner != nil {
		e.inner.Closed(now, err)
	}
}

func (e *engine) release() {
	core := e.conn.Core()
	e.codec.shim.mem = core
	e.codec.release()
	freeChunk(core, e.plain)
	e.plain, e.off = nil, 0
	if e.early != nil {
		e.early.release()
		e.early = nil
	}
}

var _ corenet.Holder = (*engine)(nil)
