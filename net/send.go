package corenet

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/runtime"
)

// outChunk is how much of the output one Send op carries at most.
const outChunk = 64 << 10

// touch asks for a flush at the end of the turn.
func (c *Conn) touch() {
	c.dirty = true
	c.queueFlush()
}

// queueFlush lists the connection for the end of the turn, unless a send under way will do it when it
// completes.
func (c *Conn) queueFlush() {
	if c.flushQueued || c.sendOp != driver.NoToken && !c.canceling {
		return
	}
	c.flushQueued = true
	c.core.QueueFlush((*inTurn)(c))
}

// flush asks the protocol for output and sends it at once; what the socket does not take is copied and
// sent by the driver. The protocol is not asked while older output waits, so that holds for one
// flush at most.
func (c *Conn) flush(now time.Duration) {
	c.flushQueued = false
	if c.canceling || c.outBytes > 0 || !c.dirty {
		return
	}
	c.dirty = false
	if c.proto == nil {
		return
	}
	scratch := c.core.Scratch()
	p := c.proto.Flush(now, *scratch)
	*scratch = p[:0] // keeps what the protocol made it grow to
	if len(p) == 0 || c.canceling {
		return
	}
	n, err := c.trySend(p)
	if err != nil {
		c.sendFailed(err)
		return
	}
	if n < len(p) {
		c.buffer(p[n:])
	}
}

// trySend writes what fits. The error is fatal and kept for later calls.
func (c *Conn) trySend(p []byte) (int, error) {
	for {
		n, errno := c.core.TrySend(int(c.fd), p)
		switch errno {
		case 0:
			c.core.Count(coreruntime.BytesSent, n)
			return n, nil
		case unix.EAGAIN:
			return 0, nil
		case unix.EINTR:
		default:
			c.sendErr = sysError("write", errno)
			return 0, c.sendErr
		}
	}
}

// buffer copies p behind the output that waits, and starts sending if nothing is.
func (c *Conn) buffer(p []byte) {
	c.core.Count(coreruntime.ShortSends, 1)
	c.outBytes += len(p)
	if k := len(c.out); k > 0 {
		// Growing a chunk that is with the kernel is fine: the op was given its bytes, not its capacity.
		last := &c.out[k-1]
		n := min(len(p), cap(*last)-len(*last))
		*last = append(*last, p[:n]...)
		p = p[n:]
	}
	for len(p) > 0 {
		n := min(len(p), outChunk)
		c.out = append(c.out, append(c.core.Chunk(n)[:0], p[:n]...))
		p = p[n:]
	}
	c.outHigh = c.outHigh || c.outBytes > c.cfg.OutBufferMax
	if c.sendOp == driver.NoToken {
		c.submitSend()
	}
}

// submitSend gives the first chunk to the kernel; it stays ours to free, and untouched, until sendOp's
// completion. The stall timer only runs while a send is stuck.
func (c *Conn) submitSend() {
	t := c.timers()
	t.progress = c.core.Now()
	if !t.stall.Armed() {
		t.unacked = 0 // a look that sees less than the one before must know of one
		c.watchStall(t.progress)
	}
	c.sendOp = c.core.Submit(driver.Op{Code: driver.Send, FD: c.fd, Buf: c.out[0][c.outOff:]}, (*inTurn)(c), opSend)
}

// sent takes the completion of the send under way.
func (c *Conn) sent(cq driver.Completion) {
	c.sendOp = driver.NoToken
	switch errno := cq.Errno(); errno {
	case 0:
		c.advance(int(cq.Res))
	case unix.EINTR, unix.EAGAIN:
	case unix.ECANCELED:
		if c.canceling {
			return
		}
	default:
		c.sendFailed(sysError("write", errno))
		return
	}
	if c.canceling {
		return
	}
	if c.outBytes > 0 {
		c.submitSend()
		return
	}
	c.drained()
}

// advance takes n bytes that the kernel now has off the output.
func (c *Conn) advance(n int) {
	c.core.Count(coreruntime.BytesSent, n)
	c.outBytes -= n
	c.outOff += n
	if c.outOff == len(c.out[0]) {
		c.core.FreeChunk(c.out[0])
		copy(c.out, c.out[1:])
		c.out[len(c.out)-1] = nil
		c.out = c.out[:len(c.out)-1]
		c.outOff = 0
	}
	if c.outBytes <= c.cfg.OutBufferMax/2 {
		c.outHigh = false
		c.wwait.Wake()
	}
}

// drained goes on with what had to wait for the output: our end of file, or the protocol's next flush.
func (c *Conn) drained() {
	if cap(c.out) > keepSegments {
		c.out = nil
	}
	if c.finAsked && !c.wroteEOF {
		c.wroteEOF = true
		// A failure means that the peer is gone; the reading side tells.
		_ = c.core.Driver().ShutdownWrite(int(c.fd))
	}
	if c.dirty {
		c.queueFlush()
	}
}

// sendFailed ends sending for good. A task hears of it by its next Write; a protocol's connection, or
// one that is closing, has no use without it.
func (c *Conn) sendFailed(err error) {
	c.sendErr = err
	c.dropOutput()
	if c.proto != nil || c.phase != open {
		c.abort(c.opError("write", err))
		return
	}
	c.wwait.Wake()
}

// dropOutput throws the output away; the kernel must not have any of it.
func (c *Conn) dropOutput() {
	if c.sendOp != driver.NoToken {
		panic("BUG: output was dropped while the kernel had it")
	}
	for _, chunk := range c.out {
		c.core.FreeChunk(chunk)
	}
	c.out, c.outOff, c.outBytes, c.outHigh = nil, 0, 0, false
}
