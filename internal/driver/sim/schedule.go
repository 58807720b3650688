package sim

import (
	"math/rand/v2"

	"golang.org/x/sys/unix"
)

// schedule makes every choice that the kernel is free to make, from the seed alone. Seed 0 is the plain
// schedule: first come first served, receives as large as they can be, group members in turn.
//
// Faults are decided here too: one method per decision point, called by the code that acts on it.
type schedule struct {
	rng    *rand.Rand // nil in the plain schedule
	turn   int        // plain schedule: the next group member
	faults Faults
	dice   *rand.Rand // of the faults alone
	greedy bool       // an op that moved moves on before the others do
}

// SetGreedy makes a multishot that moves go on until it cannot, before any other op moves: it takes all buffers, as
// one of Linux before 6.13 may: nothing limits how often it runs within one io_uring_enter.
func (w *World) SetGreedy(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sched.greedy = on
}

func newSchedule(seed uint64) schedule {
	s := schedule{dice: rand.New(rand.NewPCG(seed, 0x6661756c))}
	if seed != 0 {
		s.rng = rand.New(rand.NewPCG(seed, 0x70657263))
	}
	return s
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

// chance is one throw of the faults' dice.
func (s *schedule) chance(per1024 int) bool { return per1024 > 0 && s.dice.IntN(1024) < per1024 }

// faulty reports whether completions may come late or out of order.
func (s *schedule) faulty() bool { return s.faults != Faults{} }

// part is n, or with the given chance less, but at least 1.
func (s *schedule) part(per1024, n int) int {
	if n > 1 && s.chance(per1024) {
		return 1 + s.dice.IntN(n-1)
	}
	return n
}

// acceptErr is why an accept fails, 0 if it does not. The last two are of one connection, which is lost.
func (s *schedule) acceptErr() unix.Errno {
	if !s.chance(s.faults.AcceptErrs) {
		return 0
	}
	list := [...]unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.ECONNABORTED, unix.EPROTO}
	return list[s.dice.IntN(len(list))]
}

// interrupted is why a send has not begun, 0 if it has.
func (s *schedule) interrupted() unix.Errno {
	if !s.chance(s.faults.Interrupted) {
		return 0
	}
	return [...]unix.Errno{unix.EINTR, unix.EAGAIN}[s.dice.IntN(2)]
}

// delay is how many turns a completion waits.
func (s *schedule) delay() uint64 {
	if !s.chance(s.faults.Delay) {
		return 0
	}
	return uint64(1 + s.dice.IntN(delayMax))
}

// burst is how many turns a completion queue that has just overflowed stays in trouble, 0 if it did not.
func (s *schedule) burst() int {
	if !s.chance(s.faults.Overflow) {
		return 0
	}
	return 1 + s.dice.IntN(burstMax)
}

// noBuffers chooses whether a receive finds its group empty.
func (s *schedule) noBuffers() bool { return s.chance(s.faults.NoBuffers) }

// tooLate chooses how a cancel says that its target ends by itself.
func (s *schedule) tooLate() unix.Errno {
	if s.dice.IntN(2) == 0 {
		return unix.ENOENT
	}
	return unix.EALREADY
}
