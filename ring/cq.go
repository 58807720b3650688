package ring

import (
	"sync/atomic"
	"unsafe"
)

// cq is the completion queue: shared memory in which the kernel owns the tail and the entries, and we own
// the head.
type cq struct {
	khead, ktail, koverflow *uint32
	entries                 []CQE
	mask                    uint32
	head                    uint32
}

func (q *cq) load(base unsafe.Pointer, p *params) {
	q.khead = word(base, p.cqOff.head)
	q.ktail = word(base, p.cqOff.tail)
	q.koverflow = word(base, p.cqOff.overflow)
	q.mask = *word(base, p.cqOff.ringMask)
	q.entries = unsafe.Slice((*CQE)(unsafe.Add(base, p.cqOff.cqes)), p.cqEntries)
}

// Ready returns how many completions Copy would find.
func (r *Ring) Ready() int { return int(atomic.LoadUint32(r.cq.ktail) - r.cq.head) }

// Copy moves completions into out and returns how many. The slots are the kernel's again when it returns:
// the head is stored after the last read. An op is in flight until a completion without More is copied.
func (r *Ring) Copy(out []CQE) int {
	q := &r.cq
	n := min(len(out), int(atomic.LoadUint32(q.ktail)-q.head))
	for i := range out[:n] {
		out[i] = q.entries[(q.head+uint32(i))&q.mask]
		if out[i].Flags&cqeFMore == 0 {
			r.inflight--
		}
	}
	if n > 0 {
		q.head += uint32(n)
		atomic.StoreUint32(q.khead, q.head)
	}
	return n
}

// Dropped returns how many completions the kernel lost because it had no memory to keep them while the
// queue was full. Anything but 0 is the end of the ring: some op will never be heard of again.
func (r *Ring) Dropped() uint32 { return atomic.LoadUint32(r.cq.koverflow) }

// Inflight returns how many ops have been queued and have not posted their final completion yet (as far
// as Copy has seen).
func (r *Ring) Inflight() int { return r.inflight }
