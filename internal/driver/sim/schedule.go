package sim

import "math/rand/v2"

// schedule makes every choice that the kernel is free to make, from the seed alone. Seed 0 is the plain
// schedule: first come first served, receives as large as they can be, group members in turn.
//
// Faults (short sends, resets, late completions) belong here: one method per decision point, called by
// the code that acts on it.
type schedule struct {
	rng  *rand.Rand // nil in the plain schedule
	turn int        // plain schedule: the next group member

	greedy bool // an op that moved moves on before the others do
}

// SetGreedy makes a multishot that moves go on until it cannot, before any other op moves: it takes all buffers, as
// one of Linux before 6.13 may: nothing limits how often it runs within one io_uring_enter.
func (w *World) SetGreedy(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sched.greedy = on
}

func newSchedule(seed uint64) schedule {
	if seed == 0 {
		return schedule{}
	}
	return schedule{rng: rand.New(rand.NewPCG(seed, 0x70657263))}
}

// next chooses which of n ready ops moves.
func (s *schedule) next(n int) int {
	if s.rng == nil || n < 2 {
		return 0
	}
	return s.rng.IntN(n)
}

// cut chooses how many of n receivable bytes one completion carries: any length of 1..n is legal.
// A quarter of the receives is cut, so that a stream still moves.
func (s *schedule) cut(n int) int {
	if s.rng == nil || n < 2 || s.rng.IntN(4) != 0 {
		return n
	}
	return 1 + s.rng.IntN(n)
}

// member chooses which of n listeners of a group gets a connection, as SO_REUSEPORT's hash would.
func (s *schedule) member(n int) int {
	if s.rng == nil {
		s.turn++
		return (s.turn - 1) % n
	}
	return s.rng.IntN(n)
}

// cancelFirst chooses which of the two completions of a cancel is posted first.
func (s *schedule) cancelFirst() bool { return s.rng != nil && s.rng.IntN(2) == 0 }
