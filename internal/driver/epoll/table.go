package epoll

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// waiting is an op that could not be finished at once. It stands in the queue of its descriptor and
// direction, linked by slot.
type waiting struct {
	driver.Op      // Token is NoToken exactly when the slot is free
	next      link // behind it in the same queue
}

// link is a slot index + 1; 0 is none, so that zero values are empty queues.
type link uint32

// fdState is what the driver knows of a descriptor. It outlives the descriptor: a reused number finds
// the old state, which is why every hint here may be wrong and costs then one system call, no more.
type fdState struct {
	read, write link // first op of each direction
	// watched: the registration was made or renewed since an op began to wait here, and one has waited
	// ever since. Only then an edge is sure to come.
	watched    bool
	registered bool // hint: EPOLL_CTL_MOD will do
	readable   bool // hint: a read might find something
	writable   bool // hint: a write might find room
	hangup     bool // an end of file or error is pending: a short read does not mean empty
	active     bool // exactly when it is in Driver.active
}

func (st *fdState) idle() bool { return st.read == 0 && st.write == 0 }

// side returns the queue of op's direction.
func (st *fdState) side(c driver.Code) *link {
	if c == driver.Send || c == driver.Connect {
		return &st.write
	}
	return &st.read
}

// slotsMax bounds the slot index of a token: slots come from a core's op slab and are dense.
const slotsMax = 1 << 24

func (d *Driver) state(fd int32) *fdState {
	for int(fd) >= len(d.fds) {
		d.fds = append(d.fds, nil)
	}
	if d.fds[fd] == nil {
		d.fds[fd] = new(fdState)
	}
	return d.fds[fd]
}

// enqueue puts op at the end of its queue and reports whether it is the first there.
func (d *Driver) enqueue(st *fdState, op driver.Op) bool {
	i := op.Token.Slot()
	if i >= slotsMax {
		panic(fmt.Sprintf("BUG: token slot %d is not from an op slab", i))
	}
	for int(i) >= len(d.ops) {
		d.ops = append(d.ops, waiting{})
	}
	if d.ops[i].Token != driver.NoToken {
		panic(fmt.Sprintf("BUG: token slot %d is used by two ops in flight", i))
	}
	d.ops[i] = waiting{Op: op}
	l := st.side(op.Code)
	first := *l == 0
	for *l != 0 {
		l = &d.ops[*l-1].next
	}
	*l = link(i + 1)
	return first
}

// remove takes the op of slot i out of its queue.
func (d *Driver) remove(st *fdState, i uint32) {
	l := st.side(d.ops[i].Code)
	for *l != link(i+1) {
		l = &d.ops[*l-1].next
	}
	*l = d.ops[i].next
	d.ops[i] = waiting{}
	if st.idle() {
		st.watched = false
	}
}

// finish ends a waiting op with its final completion, which carries no buffer.
func (d *Driver) finish(st *fdState, op *waiting, res int32) {
	token := op.Token
	d.remove(st, token.Slot())
	d.post(token, res)
}

func (d *Driver) post(t driver.Token, res int32) {
	d.done.Push(driver.Completion{Token: t, Res: res, Bid: driver.NoBuffer})
}

// fresh forgets what was known of a number that the kernel has just given out anew. An op that still
// waits there lost its descriptor without a cancel; it ends as one that was canceled.
func (d *Driver) fresh(fd int32) {
	st := d.state(fd)
	for _, l := range [...]*link{&st.read, &st.write} {
		for *l != 0 {
			d.finish(st, &d.ops[*l-1], -int32(unix.ECANCELED))
		}
	}
	*st = fdState{active: st.active}
}

// activate queues a descriptor whose ops may have something to do.
func (d *Driver) activate(fd int32, st *fdState) {
	if !st.active {
		st.active = true
		d.active.push(fd)
	}
}

// fdQueue is a first-in first-out queue of descriptors. Its zero value is ready.
type fdQueue struct {
	ring       []int32 // length a power of two
	head, tail uint32
}

const fdQueueMin = 64

func (q *fdQueue) len() int { return int(q.tail - q.head) }

func (q *fdQueue) push(fd int32) {
	if q.len() == len(q.ring) {
		ring := make([]int32, max(fdQueueMin, 2*len(q.ring)))
		n := q.len()
		for i := range n {
			ring[i] = q.ring[(q.head+uint32(i))&uint32(len(q.ring)-1)]
		}
		q.ring, q.head, q.tail = ring, 0, uint32(n)
	}
	q.ring[q.tail&uint32(len(q.ring)-1)] = fd
	q.tail++
}

func (q *fdQueue) pop() int32 {
	fd := q.ring[q.head&uint32(len(q.ring)-1)]
	q.head++
	return fd
}
