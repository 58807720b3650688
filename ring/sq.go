package ring

import (
	"sync/atomic"
	"unsafe"
)

// sq is the submission queue: shared memory in which we own the tail and the entries, and the kernel owns
// the head. The kernel takes entries only inside enter, by our own thread (no SQPOLL), so its head is read
// once after each enter and not per entry.
type sq struct {
	khead, ktail, kflags *uint32
	entries              []SQE
	mask                 uint32
	head                 uint32 // as of the last enter
	tail                 uint32 // ours; published by publish
}

func (q *sq) load(base unsafe.Pointer, sqes unsafe.Pointer, p *params) {
	q.khead = word(base, p.sqOff.head)
	q.ktail = word(base, p.sqOff.tail)
	q.kflags = word(base, p.sqOff.flags)
	q.mask = *word(base, p.sqOff.ringMask)
	q.entries = unsafe.Slice((*SQE)(sqes), p.sqEntries)
	if p.flags&setupNoSQArray == 0 {
		index := unsafe.Slice(word(base, p.sqOff.array), p.sqEntries)
		for i := range index {
			index[i] = uint32(i)
		}
	}
}

func word(base unsafe.Pointer, off uint32) *uint32 { return (*uint32)(unsafe.Add(base, off)) }

// publish makes the entries up to tail visible: the store is a release, the kernel reads with acquire.
func (q *sq) publish() { atomic.StoreUint32(q.ktail, q.tail) }

func (q *sq) refresh() { q.head = atomic.LoadUint32(q.khead) }

// NextSQE returns the next free entry, to be filled by exactly one prep function before the next call on
// the ring, or nil when the queue is full: Submit empties it.
func (r *Ring) NextSQE() *SQE {
	q := &r.sq
	if q.tail-q.head >= uint32(len(q.entries)) {
		return nil
	}
	s := &q.entries[q.tail&q.mask]
	q.tail++
	r.inflight++
	return s
}

// Pending returns how many entries the kernel has not taken yet.
func (r *Ring) Pending() int { return int(r.sq.tail - r.sq.head) }

// NeedsEnter reports that completions wait inside the kernel: deferred work that only runs during an
// enter with GETEVENTS, or completions that found the completion queue full. A sequence of Poll fetches
// them.
func (r *Ring) NeedsEnter() bool {
	return r.alwaysEnter || atomic.LoadUint32(r.sq.kflags)&(sqTaskrun|sqCQOverflow) != 0
}

// Overflowed reports that completions found the completion queue full and wait in the kernel. None is lost.
func (r *Ring) Overflowed() bool { return atomic.LoadUint32(r.sq.kflags)&sqCQOverflow != 0 }
