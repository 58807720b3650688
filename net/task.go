package corenet

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// Read parks until there are bytes and copies as many as fit. What was received before an error, an end
// of file or a timeout is returned first; a timeout or cancel loses nothing. A second task that reads
// meanwhile gets an error. Task; with bytes at hand also core.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.beginRead("Conn.Read"); err != nil {
		return 0, err
	}
	defer c.endRead()
	if len(p) == 0 {
		return 0, nil
	}
	if err := c.awaitInput(); err != nil {
		return 0, err
	}
	n := 0
	for n < len(p) && c.queued() > 0 {
		k := copy(p[n:], c.in[c.inHead].rest())
		c.skip(k)
		n += k
	}
	return n, nil
}

func (c *Conn) beginRead(method string) error {
	if err := c.core.Check(method); err != nil {
		return err
	}
	if c.proto != nil {
		return c.opError("read", errProtocolFace)
	}
	if c.reading {
		return c.opError("read", errBusy)
	}
	c.reading = true
	return nil
}

// endRead runs also when the task ends inside the call. Taking bytes may have made room for more.
func (c *Conn) endRead() {
	c.reading = false
	c.tend()
}

// awaitInput parks until there is a segment. The order of the cases is that of the standard library: a
// passed deadline fails also with bytes at hand.
func (c *Conn) awaitInput() error {
	for {
		switch {
		case c.phase != open:
			return c.opError("read", c.gone())
		case c.times != nil && c.times.readPast:
			return c.opError("read", os.ErrDeadlineExceeded)
		case c.queued() > 0:
			return nil
		case c.recvErr != nil:
			return c.opError("read", c.recvErr)
		case c.eof:
			return io.EOF
		}
		c.tend()
		if err := c.rwait.Park(c.core); err != nil {
			return c.opError("read", err)
		}
	}
}

// WriteTo writes everything received to w until the end of file, straight from the lent buffers: io.Copy
// uses it. When w is a Conn of the same core the bytes go from the kernel's buffer to the peer's socket
// without a copy of ours, and mostly without waking the task (relay.go). What w did not take stays to be
// read. Task.
func (c *Conn) WriteTo(w io.Writer) (total int64, err error) {
	if err := c.beginRead("Conn.WriteTo"); err != nil {
		return 0, err
	}
	defer c.endWriteTo()
	dst, _ := w.(*Conn)
	for {
		n, err := c.relayInput(dst)
		total += n
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		k, err := c.writeSegment(w)
		total += int64(k)
		if err != nil {
			return total, err
		}
		c.tend()
	}
}

// writeSegment gives the head segment to w.
func (c *Conn) writeSegment(w io.Writer) (int, error) {
	c.held = c.pop()
	n, err := w.Write(c.held.rest())
	c.held.off += int32(n)
	if err == nil && len(c.held.rest()) > 0 {
		err = io.ErrShortWrite
	}
	c.putBack()
	return n, err
}

func (c *Conn) endWriteTo() {
	c.relayTo, c.relayed = nil, 0
	c.putBack()
	c.endRead()
}

// putBack ends WriteTo's hold on a segment: the rest goes back to the head of the queue.
func (c *Conn) putBack() {
	s := c.held
	if s.buf == nil {
		return
	}
	c.held = segment{}
	if len(s.rest()) == 0 || c.phase != open {
		c.release(s)
		return
	}
	c.unpop(s)
}

// Write sends p: what the socket takes at once goes straight from p, the rest is copied into the output
// buffer, and Write parks while that holds OutBufferMax. It returns when every byte is with the kernel or
// in the buffer; a later failure is returned by the next call. A second task that writes while one is
// parked gets an error. Task; with room in the buffer also core.
func (c *Conn) Write(p []byte) (n int, err error) {
	if err := c.beginWrite("Conn.Write"); err != nil {
		return 0, err
	}
	defer c.endWrite()
	for {
		if err := c.awaitRoom(); err != nil {
			return n, err
		}
		if c.outBytes == 0 && n < len(p) {
			k, err := c.trySend(p[n:])
			n += k
			if err != nil {
				return n, c.opError("write", err)
			}
		}
		if k := min(len(p)-n, c.cfg.OutBufferMax-c.outBytes); k > 0 {
			c.buffer(p[n : n+k])
			n += k
		}
		if n == len(p) {
			return n, nil
		}
	}
}

func (c *Conn) beginWrite(method string) error {
	if err := c.core.Check(method); err != nil {
		return err
	}
	if c.proto != nil {
		return c.opError("write", errProtocolFace)
	}
	if c.writing {
		return c.opError("write", errBusy)
	}
	c.writing = true
	return nil
}

func (c *Conn) endWrite() { c.writing = false }

// awaitRoom parks while the output buffer is full.
func (c *Conn) awaitRoom() error {
	for {
		switch {
		case c.phase != open:
			return c.opError("write", c.gone())
		case c.times != nil && c.times.writePast:
			return c.opError("write", os.ErrDeadlineExceeded)
		case c.sendErr != nil:
			return c.opError("write", c.sendErr)
		case c.finAsked:
			return c.opError("write", sysError("write", unix.EPIPE))
		case c.outBytes < c.cfg.OutBufferMax:
			return nil
		}
		if err := c.wwait.Park(c.core); err != nil {
			return c.opError("write", err)
		}
	}
}

// readFromChunk is what ReadFrom reads at a time.
const readFromChunk = 32 << 10

// ReadFrom writes everything that r returns until its end of file; io.Copy uses it. r.Read must not block
// the core: another Conn of this core, a file in memory, a body. Task.
func (c *Conn) ReadFrom(r io.Reader) (total int64, err error) {
	if err := c.core.Check("Conn.ReadFrom"); err != nil {
		return 0, err
	}
	if src, ok := r.(*Conn); ok {
		return src.WriteTo(c)
	}
	buf := c.core.Chunk(readFromChunk)
	defer c.core.FreeChunk(buf)
	for {
		n, rerr := r.Read(buf)
		if n > 0 {
			m, err := c.Write(buf[:n])
			total += int64(m)
			if err != nil {
				return total, err
			}
		}
		if rerr == io.EOF {
			return total, nil
		}
		if rerr != nil {
			return total, rerr
		}
	}
}

// CloseWrite ends our direction: the peer reads an end of file after everything written before. Reading
// goes on. Core.
func (c *Conn) CloseWrite() error {
	if err := c.beginWrite("Conn.CloseWrite"); err != nil {
		return err
	}
	defer c.endWrite()
	switch {
	case c.phase != open:
		return c.opError("close", c.gone())
	case c.finAsked:
		return nil
	}
	c.finAsked = true
	if c.sendOp != driver.NoToken {
		return nil
	}
	c.wroteEOF = true
	if err := c.core.Driver().ShutdownWrite(int(c.fd)); err != nil {
		return c.opError("close", err)
	}
	return nil
}
