package corenet

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/plant"
	"github.com/percore/percore/runtime"
)

// segment is one run of received bytes: a lent buffer (bid) or a chunk of copies (bid NoBuffer). It belongs to the
// connection until release gives it back to the core.
type segment struct {
	buf []byte // from its start, so that a chunk can be freed
	off int32  // bytes already taken
	bid int32
}

func (s *segment) rest() []byte { return s.buf[s.off:] }

const (
	// quietMax is how many short receives in a row take a paced connection back to the armed mode: its
	// socket was empty each time.
	quietMax = 8
	// scarceShare: with less than this part of the core's buffers free, nothing stays lent.
	scarceShare = 4
	copyChunk   = 16 << 10
	// keepSegments is how large a queue an idle connection keeps.
	keepSegments = 4
)

// wantRecv says whether the kernel should be receiving for us now.
func (c *Conn) wantRecv() bool {
	if c.eof || c.recvErr != nil || c.canceling || c.detaching {
		return false
	}
	switch c.phase {
	case open:
		return !c.paused && !c.outHigh && c.inBytes < c.cfg.RecvTurnMax
	case draining, terminating:
		return c.discarded <= c.cfg.LingerBytesMax
	}
	return false
}

// tend arms or disarms receiving. A starved connection waits for Fed: the kernel would answer ENOBUFS
// again at once. A single recv is never disarmed; it brings one buffer at most.
func (c *Conn) tend() {
	want := c.wantRecv()
	if c.recvOp != driver.NoToken {
		if !want && c.recvMulti {
			c.disarm()
		}
		return
	}
	if want && !c.starved {
		c.arm()
	}
}

func (c *Conn) arm() {
	c.recvMulti = !c.paced
	c.recvCanceled = false
	c.recvOp = c.core.Submit(driver.Op{Code: driver.Recv, Multi: c.recvMulti, FD: c.fd}, (*inTurn)(c), opRecv)
}

// disarm cancels the recv under way. It goes on owning recvOp until the final completion, which may
// carry bytes.
func (c *Conn) disarm() {
	if c.recvOp == driver.NoToken || c.recvCanceled {
		return
	}
	c.recvCanceled = true
	c.paced, c.quiet = true, 0
	c.core.Count(coreruntime.ReceivesPaced, 1)
	c.core.CancelOp(c.recvOp)
}

// abstain, after a receive that found no buffer, makes the next one single: before Linux 6.13 a multishot takes as many
// buffers as its socket can fill, again those that the others in the list wait for. A quiet connection is
// armed again after its first short receive.
func (c *Conn) abstain() {
	if c.paced {
		return
	}
	c.paced, c.quiet = true, quietMax-1
	c.core.Count(coreruntime.ReceivesPaced, 1)
}

// received takes one completion of a recv; whether to arm again is decided after it.
func (c *Conn) received(cq driver.Completion) {
	if !cq.More {
		c.recvOp = driver.NoToken
	}
	switch {
	case cq.Res > 0:
		if plant.DroppedRearm && c.recvMulti && !cq.More {
			c.starved = true // and nobody will feed it
		}
		c.core.Count(coreruntime.BytesReceived, int(cq.Res))
		c.pace(int(cq.Res))
		c.take(cq.Bid, int(cq.Res))
	case cq.Res == 0:
		c.giveBack(cq.Bid)
		c.ended()
	default:
		c.giveBack(cq.Bid)
		c.recvFailed(cq.Errno())
	}
}

func (c *Conn) giveBack(bid int32) {
	if bid != driver.NoBuffer {
		c.core.Recycle(bid)
	}
}

func (c *Conn) recvFailed(errno unix.Errno) {
	switch errno {
	case unix.ECANCELED, unix.EINTR, unix.EAGAIN:
	case unix.ENOBUFS:
		if !c.starved && c.phase != closed {
			c.starved = true
			c.abstain()
			c.core.Starve((*inTurn)(c))
		}
	default:
		c.recvErr = sysError("read", errno)
		if c.proto != nil && c.phase == open {
			c.abort(c.opError("read", c.recvErr))
			return
		}
		c.rwait.Wake()
	}
}

// pace moves between the armed and the paced mode: armed until one turn brings more than RecvTurnMax or
// the buffers run out, then paced until the socket was found empty quietMax times in a row.
func (c *Conn) pace(n int) {
	if c.paced {
		if c.quiet++; n == c.bufferSize() {
			c.quiet = 0
		}
		if c.quiet >= quietMax {
			c.paced, c.quiet = false, 0
		}
		return
	}
	if now := c.core.Now(); now != c.turnAt {
		c.turnAt, c.turnIn = now, 0
	}
	if c.turnIn += n; c.turnIn > c.cfg.RecvTurnMax {
		c.disarm()
	}
}

// bufferSize is how large the core's provided buffers are; all are of one size.
func (c *Conn) bufferSize() int { return len(c.core.Buffer(0)) }

// take decides what becomes of n bytes in the lent buffer bid.
func (c *Conn) take(bid int32, n int) {
	switch {
	case c.phase != open:
		c.discarded += n
		c.core.Recycle(bid)
	case c.proto != nil && c.queued() == 0 && !c.paused && !c.detaching:
		c.hand(bid, n)
	case c.relays():
		c.relay(bid, n)
	default:
		c.push(bid, c.core.Buffer(bid)[:n])
		c.refused = 0
		c.rwait.Wake()
		c.queueResume()
	}
}

// hand gives fresh bytes straight to the protocol: no queue, no copy.
func (c *Conn) hand(bid int32, n int) {
	p := c.core.Buffer(bid)[:n]
	took := c.data(c.core.Now(), p)
	if took == n || c.phase != open {
		c.core.Recycle(bid)
		return
	}
	c.push(bid, p)
	c.skip(took)
	c.queueResume()
}

// data calls the protocol and checks its answer.
func (c *Conn) data(now time.Duration, p []byte) int {
	n := c.proto.Data(now, p)
	if n < 0 || n > len(p) {
		panic("BUG: Protocol.Data took more than it was given")
	}
	if n == 0 {
		c.refused = min(c.refused+1, 2)
	} else {
		c.refused = 0
	}
	return n
}

// redeliver hands the protocol what it left, and the end of file after the last byte.
func (c *Conn) redeliver(now time.Duration) {
	c.resumeQueued = false
	if c.proto == nil || c.detaching { // what is here leaves with the connection, or comes again after stay
		return
	}
	for c.queued() > 0 && c.phase == open && !c.paused && c.refused < 2 {
		if whole := c.handQueued(now); !whole {
			c.queueResume()
			break
		}
	}
	if h, ok := c.proto.(Holder); ok && !c.paused && c.phase == open {
		h.Resumed(now)
	}
	c.tellEOF(now)
	if c.recvErr != nil && c.phase == open { // it came before the protocol did
		c.abort(c.opError("read", c.recvErr))
	}
}

// handQueued offers the head of the queue to the protocol and reports whether all of it was taken. The
// segment is out of the queue meanwhile, so that a Close inside Data cannot recycle it.
func (c *Conn) handQueued(now time.Duration) (whole bool) {
	if c.refused > 0 {
		c.join()
	}
	s := c.pop()
	s.off += int32(c.data(now, s.rest()))
	whole = len(s.rest()) == 0
	if whole || c.phase != open {
		c.release(s)
		return whole
	}
	c.unpop(s)
	return false
}

// ended notes the peer's end of file.
func (c *Conn) ended() {
	c.eof = true
	c.rwait.Wake()
	if c.proto != nil && c.phase == open {
		c.tellEOF(c.core.Now())
	}
}

// tellEOF calls Protocol.EOF once everything before it is taken, or was refused for want of bytes that
// cannot come any more.
func (c *Conn) tellEOF(now time.Duration) {
	if !c.eof || c.eofTold || c.paused || c.detaching || c.phase != open {
		return
	}
	if c.queued() > 0 && c.refused < 2 {
		c.queueResume()
		return
	}
	c.eofTold = true
	c.dropInput()
	c.proto.EOF(now)
}

func (c *Conn) queueResume() {
	if c.proto == nil || c.resumeQueued || c.phase != open || c.refused >= 2 && !c.eof {
		return
	}
	c.resumeQueued = true
	c.core.QueueResume((*inTurn)(c))
}
