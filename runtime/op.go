package coreruntime

import (
	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/plant"
)

// Owner receives the completions of its ops. Complete runs on the core inside dispatch, so it must
// neither park nor run user code; it makes tasks ready and queues work instead. The op's slot is free
// again before the final completion (More = false) is handed over, so Complete may submit at once.
type Owner interface {
	Complete(kind uint8, c driver.Completion)
}

// kindCancel marks the completions of cancel requests, which belong to the core itself.
const kindCancel = 0xff

// cancelToken is shared by all cancel requests: they hold no memory and need no owner.
var cancelToken = driver.NewToken(kindCancel, 0, 0)

// opSlot is the life of one op: free, or with the kernel from Submit to its final completion. While it
// is with the kernel it pins the op's buffer.
type opSlot struct {
	owner Owner
	buf   []byte
	gen   uint32
	next  uint32 // free list, index + 1
	kind  uint8
}

// opSlab holds the ops in flight of one core. Slots are reused, never moved to another owner while the
// kernel may still answer for them: that is what the generation proves.
type opSlab struct {
	slots []opSlot
	free  uint32 // index + 1 of the first free slot
	live  int
}

func (s *opSlab) take(o Owner, kind uint8, buf []byte) driver.Token {
	if s.free == 0 {
		s.slots = append(s.slots, opSlot{gen: 1})
		s.free = uint32(len(s.slots))
	}
	i := s.free - 1
	slot := &s.slots[i]
	s.free, slot.next = slot.next, 0
	slot.owner, slot.kind, slot.buf = o, kind, buf
	s.live++
	return driver.NewToken(kind, slot.gen, i)
}

// find returns the slot a token means, nil if the slot has gone on to another use.
func (s *opSlab) find(t driver.Token) *opSlot {
	i := t.Slot()
	if int(i) >= len(s.slots) {
		return nil
	}
	slot := &s.slots[i]
	if slot.owner == nil || slot.gen != t.Gen() && !plant.UncheckedGeneration {
		return nil
	}
	return slot
}

func (s *opSlab) release(t driver.Token, slot *opSlot) {
	slot.owner, slot.buf = nil, nil
	if slot.gen = (slot.gen + 1) & driver.GenMask; slot.gen == 0 {
		slot.gen = 1
	}
	slot.next = s.free
	s.free = t.Slot() + 1
	s.live--
}

// Submit hands op to the driver on behalf of o and returns its token. The slot holds op.Buf until the
// final completion. Core only.
func (c *Core) Submit(op driver.Op, o Owner, kind uint8) driver.Token {
	op.Token = c.ops.take(o, kind, op.Buf)
	c.drv.Submit(op)
	return op.Token
}

// CancelOp asks the driver to end the op t. Its owner still gets the final completion, which may be the
// op's own success. A token whose op has ended is ignored. Core only.
func (c *Core) CancelOp(t driver.Token) {
	if c.ops.find(t) == nil {
		return
	}
	c.cancels++
	c.drv.Submit(driver.Op{Code: driver.Cancel, Token: cancelToken, Target: t})
}

// dispatch hands the batch of completions that the last Wait copied out to their owners.
func (c *Core) dispatch() {
	for i := 0; i < c.cqLen; i++ {
		c.complete(c.cq[i])
	}
	c.cqLen = 0
}

func (c *Core) complete(cq driver.Completion) {
	if cq.Bid != driver.NoBuffer {
		c.lent++
	}
	if cq.Token == cancelToken {
		c.cancels--
		return
	}
	slot := c.ops.find(cq.Token)
	if slot == nil {
		c.completeStale(cq)
		return
	}
	owner, kind := slot.owner, slot.kind
	if !cq.More {
		c.ops.release(cq.Token, slot)
	}
	owner.Complete(kind, cq)
}

// completeStale takes back what a completion without an owner carries. It is never right; it is counted
// and survived because the kernel, not the peer, decides here.
func (c *Core) completeStale(cq driver.Completion) {
	c.Count(StaleCompletions, 1)
	if cq.Bid != driver.NoBuffer {
		c.Recycle(cq.Bid)
	}
}

// Driver returns what moves this core's bytes. Core only.
func (c *Core) Driver() driver.Driver { return c.drv }

// TrySend writes p to fd without waiting. With Off.InlineSend it takes nothing: EAGAIN, and everything goes by
// an op. Core only.
func (c *Core) TrySend(fd int, p []byte) (int, unix.Errno) {
	if c.cfg.Off.InlineSend {
		return 0, unix.EAGAIN
	}
	return c.drv.TrySend(fd, p)
}
