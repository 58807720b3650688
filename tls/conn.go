package coretls

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

var errTwoReaders = errors.New("tls: another task is in Read; let one read")

// sealMax is how much plaintext one Write seals before it sends.
const sealMax = 64 << 10

// Conn is the face of TLS for tasks: a net.Conn over a corenet.Conn, for one
// reader task and one writer task of the same core. It parks in the connection
// below, outside crypto/tls, so neither task ever waits for a lock of the other.
//
// Read, Write, Handshake and CloseWrite are for tasks; Close, the addresses and
// the deadlines for any goroutine, as with corenet.Conn. Unlike the standard
// library's, a Read reports a connection that ended without a close_notify with
// io.ErrUnexpectedEOF (RFC 8446 section 6.1).
type Conn struct {
	raw   *corenet.Conn
	core  *coreruntime.Core
	codec codec
	in    intake // received, not opened
	hs    connHandshake

	writer    coreruntime.Mutex // who holds it writes to raw
	writing   bool              // it is held
	receiving bool              // a task is inside raw.Read with memory of in
	talking   bool              // an outputTask was started and does not run yet
	closed    bool
	werr      error // sticky: a broken record cannot be mended
}

// Server returns the server side of TLS on conn, which belongs to it from here
// on. The handshake runs with the first Read, Write or Handshake.
func Server(conn *corenet.Conn, cfg *Config) *Conn {
	c := newConn(conn)
	c.hs.cfg, c.hs.std = cfg, cfg.std
	return c
}

// Client returns the client side of TLS on conn, which belongs to it from here
// on. As with tls.Client, cfg needs a ServerName or InsecureSkipVerify. cfg is not copied
// and must not change any more.
func Client(conn *corenet.Conn, cfg *tls.Config) *Conn {
	c := newConn(conn)
	c.hs.std = cfg
	return c
}

func newConn(conn *corenet.Conn) *Conn {
	c := &Conn{raw: conn, core: conn.Core()}
	c.codec.shim.mem, c.codec.shim.addrs = c.core, conn
	c.in.mem = c.core
	c.hs.c = c
	return c
}

// Read reads plaintext. Errors: io.EOF after the peer's close_notify,
// *HandshakeError, *RecordError, and those of corenet.Conn.Read. A second task
// that has to wait meanwhile gets an error. A deadline that
// passed can be moved and the read repeated. Task.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.Handshake(); err != nil || len(p) == 0 {
		return 0, err
	}
	for {
		if c.codec.more || c.codec.err != nil || c.in.waiting() > 0 {
			k, n, err := c.codec.next(c.in.rest(), p)
			c.in.skip(k)
			c.said()
			if n > 0 {
				return n, nil
			}
			if err != nil {
				return 0, c.readError(err)
			}
			continue
		}
		if err := c.fill(); err == io.EOF {
			c.codec.cut()
		} else if err != nil {
			return 0, err
		}
	}
}

func (c *Conn) readError(err error) error {
	if err == io.EOF || err == net.ErrClosed {
		return err
	}
	return newRecordError(c.raw.RemoteAddr(), err)
}

// fill waits for bytes from below. The memory they go to is ours while the task
// is parked, even if somebody closes the connection meanwhile.
func (c *Conn) fill() error {
	if c.receiving {
		return errTwoReaders
	}
	n := 0
	c.receiving = true
	p := c.in.space(min(max(c.codec.last, chunkSmall), chunkRecord))
	defer func() {
		c.receiving = false
		c.in.grew(n)
		if c.closed {
			c.in.release()
		}
	}()
	var err error
	n, err = c.raw.Read(p)
	if n > 0 {
		return nil
	}
	return err
}

// said sends what TLS wrote while it read. If the writer is at work it will see
// to it; the reader must not wait for a peer that waits for it.
func (c *Conn) said() {
	if n := c.codec.pending(); n == 0 {
		return
	} else if n > outputMax && c.codec.err == nil {
		c.codec.fail(ErrTooMuchOutput)
	}
	if !c.writing && !c.talking {
		c.talking = true
		c.core.Start("tls output", (*outputTask)(c))
	}
}

// outputTask sends what TLS said by itself.
type outputTask Conn

// Run implements coreruntime.Runnable.
func (t *outputTask) Run() {
	c := (*Conn)(t)
	c.talking = false
	if c.lock() != nil {
		return
	}
	defer c.unlock()
	// An error here comes again with the next Write.
	_ = c.drain()
}

// Write seals p and sends it. Errors: *HandshakeError and those of
// corenet.Conn.Write; all but the first deadline's are sticky, and that one is
// too once part of a record is sent. Task.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	if err := c.lock(); err != nil {
		return 0, err
	}
	defer c.unlock()
	n := 0
	for n < len(p) {
		k := min(len(p)-n, sealMax)
		if err := c.send(p[n : n+k]); err != nil {
			return n, err
		}
		n += k
	}
	return n, c.drain()
}

// send seals p behind what TLS itself has to say and writes both. The caller
// holds writer.
func (c *Conn) send(p []byte) error {
	if c.closed {
		return net.ErrClosed
	}
	if c.werr != nil {
		return c.werr
	}
	// A record adds 22 to 50 bytes to at least 1 KiB, when p is that long.
	chunk := c.core.Chunk(c.codec.pending() + len(p) + len(p)/16 + 512)
	defer c.core.FreeChunk(chunk)
	out, err := c.codec.seal(chunk[:0], p)
	if err != nil {
		c.werr = newRecordError(c.raw.RemoteAddr(), err)
		return c.werr
	}
	c.werr = errSendCut // unless this call comes back
	_, c.werr = c.raw.Write(out)
	return c.werr
}

// drain sends TLS's own output until none is left. The caller holds writer.
func (c *Conn) drain() error {
	for c.codec.pending() > 0 {
		if err := c.send(nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) lock() error {
	if err := c.writer.Lock(c.core); err != nil {
		return err
	}
	c.writing = true
	return nil
}

func (c *Conn) unlock() {
	c.writing = false
	c.writer.Unlock()
}

// CloseWrite sends a close_notify and ends our direction; reading goes on. Task.
func (c *Conn) CloseWrite() error {
	if err := c.Handshake(); err != nil {
		return err
	}
	if err := c.lock(); err != nil {
		return err
	}
	defer c.unlock()
	c.codec.goodbye()
	if err := c.drain(); err != nil {
		return err
	}
	return c.raw.CloseWrite()
}

// Close sends a close_notify, unless a Write or the handshake is under way, and
// closes the connection in good order. A second Close returns net.ErrClosed. In
// a task it may park while the peer does not read, no longer than the
// connection's WriteStallMax. Any goroutine.
func (c *Conn) Close() error {
	if c.core.InTask() {
		return c.close()
	}
	if c.core.Post(func() { c.core.Start("tls close", (*closeTask)(c)) }) != nil {
		return c.raw.Close() // the core has stopped
	}
	return nil
}

// closeTask is a Close from outside the core.
type closeTask Conn

// Run implements coreruntime.Runnable.
func (t *closeTask) Run() { _ = (*Conn)(t).close() }

func (c *Conn) close() error {
	if c.closed {
		return net.ErrClosed
	}
	defer c.release()
	if c.hs.done && !c.writing && c.lock() == nil {
		defer c.unlock()
		c.codec.goodbye()
		// A peer that is gone misses the close_notify; nothing else is lost.
		_ = c.drain()
	}
	c.closed = true
	return c.raw.Close()
}

// release gives the memory back; a task parked in fill does so for its part.
func (c *Conn) release() {
	c.closed = true
	if !c.hs.running {
		c.codec.release()
	}
	if !c.receiving {
		c.in.release()
	}
}

// LocalAddr implements net.Conn. Any goroutine.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr implements net.Conn. Any goroutine.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// SetDeadline implements net.Conn. Any goroutine.
func (c *Conn) SetDeadline(t time.Time) error { return c.raw.SetDeadline(t) }

// SetReadDeadline implements net.Conn. Any goroutine.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.raw.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn. After a deadline that cut a Write short
// no more can be written. Any goroutine.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.raw.SetWriteDeadline(t) }

var _ net.Conn = (*Conn)(nil)
