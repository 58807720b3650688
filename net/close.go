package corenet

import (
	"io"
	"net"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/runtime"
)

// Close ends the connection in good order and returns at once: what was written is still sent (as long as
// the peer takes it, see WriteStallMax), then our end of file; then bytes of the peer are read and thrown
// away until its own end of file, LingerMax or LingerBytesMax. Without that the kernel would answer
// unread input with a reset, and the peer could lose what it has not read yet (RFC 9293, 3.6.1; close(2)
// on tcp(7)). Parked calls return an error that wraps net.ErrClosed, and so does a second Close. Any
// goroutine.
func (c *Conn) Close() error {
	if c.core.Check("Conn.Close") != nil {
		return c.closeFromOutside()
	}
	if c.phase != open {
		return c.opError("close", net.ErrClosed)
	}
	c.startClose()
	return nil
}

func (c *Conn) closeFromOutside() error {
	if c.closeAsked.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	err := c.core.Post(func() {
		if c.phase == open {
			c.startClose()
		}
	})
	if err != nil { // the core is gone, and the connection with it
		return c.opError("close", net.ErrClosed)
	}
	return nil
}

// startClose steps onto the ladder. The rest of the climb happens outside the caller, which may be the
// protocol itself.
func (c *Conn) startClose() {
	c.phase = draining
	if c.eof && c.proto != nil {
		c.cause = io.EOF
	}
	c.dropInput()
	c.wakeAll()
	c.touch()
}

// Abort ends the connection now: output that waits is lost, and with a cause the peer gets a reset. A
// protocol hears of it by Closed, later in the turn. Core.
func (c *Conn) Abort(cause error) {
	c.must("Conn.Abort")
	c.abort(cause)
}

func (c *Conn) abort(cause error) {
	if c.phase == closed || c.canceling {
		return
	}
	c.cause, c.reset = cause, cause != nil
	c.phase = terminating
	c.dropInput()
	c.cancelOps()
	c.wakeAll()
	c.queueFlush()
}

// wakeAll lets every parked call find out what has become of the connection.
func (c *Conn) wakeAll() {
	c.rwait.Wake()
	c.wwait.Wake()
	if c.times != nil {
		c.times.detach.Wake()
	}
}

// climb goes up the ladder as far as it can now. It is never called from inside the protocol.
func (c *Conn) climb() {
	if c.phase == draining && !c.dirty && c.outBytes == 0 {
		c.endOutput()
	}
	if c.phase == terminating && !c.canceling && (c.eof || c.recvErr != nil || c.discarded > c.cfg.LingerBytesMax) {
		c.cancelOps()
	}
	if c.canceling && c.phase != closed && c.recvOp == driver.NoToken && c.sendOp == driver.NoToken {
		c.finish()
	}
}

// endOutput sends our end of file. When the peer's is here already, close does that.
func (c *Conn) endOutput() {
	c.phase = terminating
	if c.eof {
		return
	}
	if !c.wroteEOF {
		c.wroteEOF = true
		if err := c.core.Driver().ShutdownWrite(int(c.fd)); err != nil {
			c.cancelOps()
			return
		}
	}
	c.core.SetTimer(&c.timers().linger, c.core.Now()+c.cfg.LingerMax, (*inTurn)(c))
}

// cancelOps is the last rung: nothing new is submitted, and the descriptor is closed when the kernel has
// answered for everything it still has.
func (c *Conn) cancelOps() {
	c.canceling = true
	if c.recvOp != driver.NoToken && !c.recvCanceled {
		c.recvCanceled = true
		c.core.CancelOp(c.recvOp)
	}
	if c.sendOp != driver.NoToken {
		c.core.CancelOp(c.sendOp)
	}
}

// finish closes the descriptor; no op is in flight, so it can go to the next owner.
func (c *Conn) finish() {
	c.depart()
	c.dropOutput()
	if c.reset {
		// Best effort: a socket that is reset already refuses nothing that matters here.
		_ = c.core.Driver().SetLingerAbort(int(c.fd))
	}
	if err := c.core.Driver().CloseFD(int(c.fd)); err != nil {
		c.core.Logger().Warn("percore: closing a connection's descriptor", "fd", c.fd, "err", err)
	}
	c.uncount()
	c.core.Count(coreruntime.ConnsClosed, 1)
	c.wakeAll()
	if c.proto != nil {
		c.proto.Closed(c.core.Now(), c.cause)
	}
}

// depart takes the connection off the core.
func (c *Conn) depart() {
	c.phase, c.canceling = closed, true
	c.dropInput()
	c.stopTimers()
	c.core.Leave(&c.place)
}

// uncount frees the connection's place, once its descriptor is no longer ours.
func (c *Conn) uncount() {
	if c.from == nil {
		c.core.AddConns(-1)
		return
	}
	c.from.connGone()
}

// gone is why calls on a connection that is no longer open fail.
func (c *Conn) gone() error {
	if c.cause != nil && c.cause != io.EOF {
		return c.cause
	}
	return net.ErrClosed
}
