package coreruntime

import "time"

// Flusher is work that is done once at the end of a turn, after the tasks: a connection sends what the
// turn produced.
type Flusher interface {
	Flush(now time.Duration)
}

// Resumer is work put off to the next turn, so that one connection cannot hold the core.
type Resumer interface {
	Resume(now time.Duration)
}

// Starved is a receiver that found no provided buffer.
type Starved interface {
	Fed(now time.Duration)
}

// QueueFlush calls f.Flush at the end of this turn, or of the next if this turn is past its flush phase.
// The caller keeps a flag so that it is queued once. Core only.
func (c *Core) QueueFlush(f Flusher) { c.flushes = append(c.flushes, f) }

// QueueResume calls r.Resume in the next turn, after the completions and before the tasks. The caller
// keeps a flag so that it is queued once. Core only.
func (c *Core) QueueResume(r Resumer) { c.resumes = append(c.resumes, r) }

// Starve calls s.Fed, first come first served, when buffers are back. The group grows first, as long as
// BuffersMax allows. A starved receiver never re-arms by itself: the kernel would answer ENOBUFS at
// once, again and again. Core only.
func (c *Core) Starve(s Starved) {
	c.Count(Starvations, 1)
	c.starved.push(s)
	if c.BuffersFree() == 0 || c.BuffersFree() < c.lowWater() {
		c.drv.Grow()
	}
}

// lowWater is how many buffers must be free before the starved are fed again.
func (c *Core) lowWater() int { return min(c.drv.Buffers()/8+1, 64) }

func (c *Core) resumeAll(now time.Duration) {
	if len(c.resumes) == 0 {
		return
	}
	list := c.resumes
	c.resumes, c.resumesSpare = c.resumesSpare[:0], nil
	for i, r := range list {
		list[i] = nil
		r.Resume(now)
	}
	c.resumesSpare = list[:0]
}

// feed lets starved receivers arm again, at most one for each free buffer.
func (c *Core) feed(now time.Duration) {
	if c.starved.len() == 0 || c.BuffersFree() < c.lowWater() {
		return
	}
	for n := min(c.starved.len(), c.BuffersFree()); n > 0; n-- {
		c.starved.pop().Fed(now)
	}
}

// canFeed reports whether the next turn has starved receivers to feed.
func (c *Core) canFeed() bool {
	return c.starved.len() > 0 && c.BuffersFree() >= c.lowWater()
}

func (c *Core) flushAll(now time.Duration) {
	if len(c.flushes) == 0 {
		return
	}
	list := c.flushes
	c.flushes, c.flushesSpare = c.flushesSpare[:0], nil
	for i, f := range list {
		list[i] = nil
		f.Flush(now)
	}
	c.flushesSpare = list[:0]
}

// fifo is a queue on a ring that grows and is reused.
type fifo[T any] struct {
	ring  []T
	head  int
	count int
}

func (q *fifo[T]) len() int { return q.count }

func (q *fifo[T]) push(v T) {
	if q.count == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.count)%len(q.ring)] = v
	q.count++
}

func (q *fifo[T]) pop() T {
	var zero T
	v := q.ring[q.head]
	q.ring[q.head] = zero
	q.head = (q.head + 1) % len(q.ring)
	q.count--
	return v
}

func (q *fifo[T]) grow() {
	ring := make([]T, max(8, 2*len(q.ring)))
	for i := range q.count {
		ring[i] = q.ring[(q.head+i)%len(q.ring)]
	}
	q.ring, q.head = ring, 0
}
