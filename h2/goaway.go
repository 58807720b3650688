package h2

import "time"

// A graceful end takes two steps (RFC 9113 section 6.8), so that no request that is under way is lost:
//
//	GOAWAY(2^31-1, NO_ERROR) + PING   "open no more streams"; those under way are still served
//	PING ack, or drainPingMax later   everything sent before the client knew has arrived
//	GOAWAY(last stream, NO_ERROR)     streams above it are ignored and may be retried elsewhere
//	the last stream ends              finished() is true: the host closes
const drainPingMax = time.Second

// drainPing is the opaque data of that PING.
var drainPing = [pingLen]byte{'p', 'e', 'r', 'c', 'o', 'r', 'e', 0}

// goAway begins the graceful end. The host closes the connection when it is finished().
func (c *conn) goAway(now time.Duration) {
	switch c.state {
	case connPreface:
		c.state = connClosed // nothing was said yet
	case connSettings:
		c.sendGoAway(0, ErrCodeNo, "")
		c.state = connClosed
	case connOpen:
		c.state = connGoingAway
		c.sendGoAway(streamIDMask, ErrCodeNo, "")
		c.ctrl = appendPing(c.ctrl, false, drainPing)
		c.drainAt = now + drainPingMax
		c.deadline = min(c.deadline, c.drainAt)
	}
}

// recvPong takes the answer to a PING of ours.
func (c *conn) recvPong(data [pingLen]byte) {
	if c.state == connGoingAway && !c.drained && data == drainPing {
		c.lastGoAway()
	}
}

// lastGoAway takes the second step.
func (c *conn) lastGoAway() {
	c.drained = true
	c.lastMax = c.lastID
	if c.block.s != nil {
		c.lastMax = max(c.lastMax, c.block.id) // its field section is being received
	}
	c.sendGoAway(c.lastMax, ErrCodeNo, "")
}

// recvEOF takes the end of the client's direction: no request can come any more, and none that is incomplete can
// become complete. Those that are complete are still answered, as far as the windows go that the client gave: it can
// give no more.
func (c *conn) recvEOF() {
	if c.state < connOpen {
		c.state = connClosed
		return
	}
	c.eof = true
	if s := c.block.s; s != nil && c.block.trailers {
		s.resetLocal(ErrCodeCancel, "the client ended its side of the connection within trailers")
	}
	c.dropBlock()
	c.blockSince = 0 // nor does anybody wait for it
	for i := 0; i < len(c.streams.slots); {
		if s := c.streams.slots[i]; s != nil && (s.state.canRecv() || s.stallAt != 0) {
			s.resetLocal(ErrCodeCancel, "the client ended its side of the connection too early")
		} else {
			i++
		}
	}
	c.state = max(c.state, connGoingAway)
	c.drained = true
}
