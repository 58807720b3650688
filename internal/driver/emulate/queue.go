package emulate

import "github.com/percore/percore/internal/driver"

// Queue is a first-in first-out queue of completions that grows when it is full, as a completion queue
// with overflow list does. Its zero value is ready.
type Queue struct {
	ring []entry // length a power of two
	head uint32
	tail uint32
}

// entry remembers whether a completion carries a new descriptor, which the driver must close if it is
// closed before the completion was delivered.
type entry struct {
	c  driver.Completion
	fd bool
}

// queueMin is the length of a queue's first ring.
const queueMin = 64

// Len is how many completions wait.
func (q *Queue) Len() int { return int(q.tail - q.head) }

// Push adds a completion that carries no descriptor.
func (q *Queue) Push(c driver.Completion) { q.push(entry{c: c}) }

// PushFD adds a completion whose Res is a descriptor nobody else knows yet.
func (q *Queue) PushFD(c driver.Completion) { q.push(entry{c: c, fd: true}) }

func (q *Queue) push(e entry) {
	if int(q.tail-q.head) == len(q.ring) {
		q.grow()
	}
	q.ring[q.tail&uint32(len(q.ring)-1)] = e
	q.tail++
}

func (q *Queue) grow() {
	ring := make([]entry, max(queueMin, 2*len(q.ring)))
	n := q.Len()
	for i := range n {
		ring[i] = q.ring[(q.head+uint32(i))&uint32(len(q.ring)-1)]
	}
	q.ring, q.head, q.tail = ring, 0, uint32(n)
}

// Pop moves as many completions into out as fit, oldest first.
func (q *Queue) Pop(out []driver.Completion) int {
	n := min(len(out), q.Len())
	for i := range n {
		out[i] = q.ring[q.head&uint32(len(q.ring)-1)].c
		q.head++
	}
	return n
}

// Drop empties the queue and calls close for every descriptor that was never delivered.
func (q *Queue) Drop(close func(fd int)) {
	for ; q.head != q.tail; q.head++ {
		if e := q.ring[q.head&uint32(len(q.ring)-1)]; e.fd {
			close(int(e.c.Res))
		}
	}
}
