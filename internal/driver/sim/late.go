package sim

import "github.com/percore/percore/internal/driver"

// lane is an order that faults keep: one direction of one socket, whose ops are served first come first served.
// Completions without a lane (of cancels, and of ops that never reached a socket) come when they like.
type lane uint64

const noLane lane = 0

// lateQueue holds completions in a world with faults. They come when their turn has come, and in any order that the
// contract allows: those of one lane, and so those of one op, never overtake each other.
type lateQueue struct {
	turn uint64
	list []late
}

type late struct {
	driver.Completion
	lane lane
	due  uint64 // the turn from which on it may come
	fd   int    // the descriptor that it brings; -1: none
}

func (q *lateQueue) push(l late, delay uint64) {
	l.due = q.turn + delay
	q.list = append(q.list, l)
}

// pop moves completions that are due into out. A Wait is a turn.
func (q *lateQueue) pop(out []driver.Completion, s *schedule) (n int) {
	q.turn++
	for n < len(out) {
		i := q.choose(s)
		if i < 0 {
			break
		}
		out[n] = q.list[i].Completion
		q.list = append(q.list[:i], q.list[i+1:]...)
		n++
	}
	return n
}

// choose returns the next completion to come: the oldest that may, or with some chance any other that may; -1 if none.
func (q *lateQueue) choose(s *schedule) int {
	var may []int
	any := s.chance(s.faults.Reorder)
	for i := range q.list {
		if q.list[i].due >= q.turn || !q.first(i) {
			continue
		}
		if !any {
			return i
		}
		may = append(may, i)
	}
	if len(may) == 0 {
		return -1
	}
	return may[s.dice.IntN(len(may))]
}

// first reports whether no older completion of the same lane waits.
func (q *lateQueue) first(i int) bool {
	own := q.list[i].lane
	for _, older := range q.list[:i] {
		if older.lane == own && own != noLane {
			return false
		}
	}
	return true
}
