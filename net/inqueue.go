package corenet

import (
	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/plant"
	"github.com/percore/percore/runtime"
)

func (c *Conn) queued() int { return len(c.in) - c.inHead }

// push keeps received bytes: in their lent buffer while this connection holds few and the core has
// plenty, else in a copy, so that one slow reader cannot starve the core.
func (c *Conn) push(bid int32, p []byte) {
	c.inBytes += len(p)
	if c.inLent < c.cfg.BufsPerConnMax && !c.scarce() {
		c.inLent++
		if plant.RecycledLent {
			c.core.Recycle(bid)
			bid = plant.NoBid
		}
		c.enqueue(segment{buf: p, bid: bid})
		return
	}
	c.core.Count(coreruntime.BuffersCopied, 1)
	c.copyIn(p)
	c.core.Recycle(bid)
}

func (c *Conn) scarce() bool {
	return c.core.BuffersFree()*scarceShare < c.core.Driver().Buffers()
}

// copyIn appends to the last chunk of the queue, or to a new one.
func (c *Conn) copyIn(p []byte) {
	if c.queued() > 0 {
		last := &c.in[len(c.in)-1]
		if last.bid == driver.NoBuffer && cap(last.buf)-len(last.buf) >= len(p) {
			last.buf = append(last.buf, p...)
			return
		}
	}
	chunk := c.core.Chunk(max(len(p), copyChunk))[:0]
	c.enqueue(segment{buf: append(chunk, p...), bid: driver.NoBuffer})
}

// enqueue appends s; a queue that is never quite empty moves down instead of growing.
func (c *Conn) enqueue(s segment) {
	if len(c.in) == cap(c.in) && c.inHead > 0 {
		n := copy(c.in, c.in[c.inHead:])
		clear(c.in[n:])
		c.in, c.inHead = c.in[:n], 0
	}
	c.in = append(c.in, s)
}

// skip takes n bytes off the head segment and releases it when it is empty.
func (c *Conn) skip(n int) {
	s := &c.in[c.inHead]
	s.off += int32(n)
	c.inBytes -= n
	if len(s.rest()) == 0 {
		c.release(c.pop())
	}
}

// pop takes the head segment out of the queue; its bytes have left inBytes already, or leave with it.
func (c *Conn) pop() segment {
	s := c.in[c.inHead]
	c.in[c.inHead] = segment{}
	c.inBytes -= len(s.rest())
	if c.inHead++; c.inHead == len(c.in) {
		c.in, c.inHead = c.in[:0], 0
		if cap(c.in) > keepSegments && !c.paced {
			c.in = nil
		}
	}
	return s
}

// unpop puts back what is left of the segment popped last.
func (c *Conn) unpop(s segment) {
	c.inBytes += len(s.rest())
	if c.inHead > 0 {
		c.inHead--
		c.in[c.inHead] = s
		return
	}
	c.in = append(c.in, segment{})
	copy(c.in[1:], c.in)
	c.in[0] = s
}

// release gives a segment's memory back to the core.
func (c *Conn) release(s segment) {
	if s.bid == driver.NoBuffer {
		c.core.FreeChunk(s.buf)
		return
	}
	c.inLent--
	if plant.RecycledLent && s.bid == plant.NoBid {
		return
	}
	c.core.Recycle(s.bid)
}

// dropInput throws away what nobody will read.
func (c *Conn) dropInput() {
	for c.queued() > 0 {
		c.discarded += len(c.in[c.inHead].rest())
		c.release(c.pop())
	}
}

// join makes one run of all queued bytes, for a protocol that needs them together.
func (c *Conn) join() {
	if c.queued() < 2 {
		return
	}
	chunk := c.core.Chunk(c.inBytes)[:0]
	for c.queued() > 0 {
		s := c.pop()
		chunk = append(chunk, s.rest()...)
		c.release(s)
	}
	c.in = append(c.in, segment{buf: chunk, bid: driver.NoBuffer})
	c.inBytes = len(chunk)
}

// unread copies the whole queue out and empties it.
func (c *Conn) unread() []byte {
	if c.queued() == 0 {
		return nil
	}
	p := make([]byte, 0, c.inBytes)
	for c.queued() > 0 {
		s := c.pop()
		p = append(p, s.rest()...)
		c.release(s)
	}
	return p
}
