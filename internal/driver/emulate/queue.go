package emulate

import "github.com/percore/percore/internal/driver"

// Queue is a first-in first-out queue of completions that grows when it is full, as a completion queue
// with overflow list does. Its zero value is ready.
type Queue struct {
	ring []driver.Completion // length a power of two
	head uint32
	tail uint32
}

// queueMin is the length of a queue's first ring.
const queueMin = 64

// Len is how many completions wait.
func (q *Queue) Len() int { return int(q.tail - q.head) }

// Push adds a completion. One that carries a new descriptor must be pushed only where the same Wait pops
// it: what is still queued when its driver closes is dropped.
func (q *Queue) Push(c driver.Completion) {
	if q.Len() == len(q.ring) {
		q.grow()
	}
	q.ring[q.tail&uint32(len(q.ring)-1)] = c
	q.tail++
}

func (q *Queue) grow() {
	ring := make([]driver.Completion, max(queueMin, 2*len(q.ring)))
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
		out[i] = q.ring[q.head&uint32(len(q.ring)-1)]
		q.head++
	}
	return n
}
