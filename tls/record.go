package coretls

import (
	"crypto/tls"
	"io"
	"net"
)

// A record on the wire (RFC 8446 section 5.1, RFC 5246 section 6.2.1):
//
//	 0      1        3        5                     5+length
//	+------+--------+--------+----------------------+
//	| type | 03 03  | length | fragment             |
//	+------+--------+--------+----------------------+
const (
	headerLen = 5
	// plaintextMax is the most plaintext one record holds.
	plaintextMax = 16384
	// expansion a cipher may add: RFC 8446 section 5.2, RFC 5246 section 6.2.3.
	expansionMax13 = 256
	expansionMax12 = 2048
)

// codec is one TLS connection without I/O: cipher bytes go in through next,
// plaintext comes out; plaintext goes in through seal, cipher bytes come out.
// It never blocks once its handshake is done. It belongs to one core; next and
// seal may be called by different tasks of it, because neither ever parks.
type codec struct {
	tls  *tls.Conn
	shim shim
	part []byte // a record that came in pieces, so far: a pooled chunk
	last int    // size of the record before, a hint of the size of the next
	max  int    // largest fragment the version allows
	more bool   // tls may hold plaintext of the last record
	err  error  // why reading ended: io.EOF is the peer's close_notify
}

func (c *codec) startServer(std *tls.Config) { c.tls = tls.Server(&c.shim, std) }
func (c *codec) startClient(std *tls.Config) { c.tls = tls.Client(&c.shim, std) }

// ready ends the handshake's way of reading and begins the records'.
func (c *codec) ready(version uint16) {
	c.shim.src = nil
	c.max = plaintextMax + expansionMax12
	if version >= tls.VersionTLS13 {
		c.max = plaintextMax + expansionMax13
	}
}

// next takes cipher bytes from p, at most to the end of one record, and opens
// the record into plain when it is whole. A record that lies whole in p is not
// copied by us; the pieces of others are kept in a chunk. It returns the bytes
// taken and the plaintext's length. With plain shorter than plaintextMax the
// rest stays within crypto/tls: call again, also with empty p, while c.more.
//
// The error is sticky, and all later input is taken and ignored. What TLS has to
// say about it (an alert) waits in shim.out.
func (c *codec) next(p, plain []byte) (taken, n int, err error) {
	if c.err != nil {
		return len(p), 0, c.err
	}
	if c.more {
		n, err = c.open(nil, plain)
		if n > 0 || err != nil {
			return 0, n, err
		}
	}
	record, taken := c.gather(p)
	if record == nil {
		return taken, 0, nil
	}
	n, err = c.open(record, plain)
	if c.part != nil {
		freeChunk(c.shim.mem, c.part)
		c.part = nil
	}
	return taken, n, err
}

// gather returns the next whole record and how much of p it used; nil when more
// bytes are needed, all of p being taken then. Of a record that claims too much
// it returns the header only, for which crypto/tls has the right alert.
func (c *codec) gather(p []byte) (record []byte, taken int) {
	if len(c.part) == 0 && len(p) >= headerLen {
		need := c.need(p)
		if len(p) >= need {
			return p[:need], need
		}
		c.keep(p, need)
		return nil, len(p)
	}
	if len(c.part) < headerLen {
		taken = min(headerLen-len(c.part), len(p))
		c.keep(p[:taken], 0)
		if len(c.part) < headerLen {
			return nil, taken
		}
	}
	need := c.need(c.part)
	k := min(need-len(c.part), len(p)-taken)
	c.keep(p[taken:taken+k], need)
	taken += k
	if len(c.part) < need {
		return nil, taken
	}
	return c.part, taken
}

// need is the size of the record p begins with, header included.
func (c *codec) need(p []byte) int {
	n := int(p[3])<<8 | int(p[4])
	if n > c.max {
		return headerLen
	}
	return headerLen + n
}

// keep appends to the part. Memory is given for bytes that came, not for bytes
// that a header promises, unless the peer has sent a record of this size before.
func (c *codec) keep(p []byte, need int) {
	if len(p) == 0 {
		return
	}
	if c.part == nil && need > 0 && need <= c.last {
		c.part = c.shim.mem.Chunk(need)[:0]
	}
	c.part = appendChunk(c.shim.mem, c.part, p)
}

// open hands one record to crypto/tls and reads what it held.
func (c *codec) open(record, plain []byte) (int, error) {
	if len(record) > 0 {
		c.last = len(record)
	}
	c.shim.in = record
	n, err := c.tls.Read(plain)
	c.shim.in = nil
	c.more = n > 0 && n == len(plain)
	if err == errWouldBlock {
		err = nil
	}
	if err != nil {
		c.fail(err)
	}
	return n, err
}

// fail makes err the end of reading.
func (c *codec) fail(err error) {
	c.err = err
	c.more = false
}

// cut tells the codec that the transport ended. Without a close_notify before
// it, somebody may have cut the stream short (RFC 8446 section 6.1).
func (c *codec) cut() error {
	if c.err == nil {
		c.fail(io.ErrUnexpectedEOF)
	}
	return c.err
}

// release gives every chunk back. The tls.Conn must not be used afterwards.
func (c *codec) release() {
	if c.part != nil {
		freeChunk(c.shim.mem, c.part)
		c.part = nil
	}
	if c.shim.out != nil {
		freeChunk(c.shim.mem, c.shim.out)
		c.shim.out = nil
	}
	c.fail(net.ErrClosed)
}
