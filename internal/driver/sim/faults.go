package sim

// Faults are the ways in which a World may do what a kernel may do and a healthy one seldom does. Each is the chance,
// out of 1024, that a decision goes that way; zero is never. All of them but Stale are legal; whoever stands above
// the driver contract has to live with every sequence that they make.
type Faults struct {
	ShortRecv   int // a receive brings fewer bytes than there are
	ShortSend   int // a send takes fewer bytes than fit
	Interrupted int // a send ends with EINTR or EAGAIN and has sent nothing
	LostMore    int // a multishot ends after a good result, which still carries its descriptor or buffer
	Unasked     int // a multishot with a result to post ends with ECANCELED although nobody canceled it
	NoBuffers   int // ENOBUFS although buffers are free
	AcceptErrs  int // an accept fails: for want of resources, or because its connection has gone
	CancelRace  int // a cancel comes too late: the target ends by itself, or some turns later
	Reorder     int // a completion overtakes those of other ops
	Overflow    int // the completion queue overflows: for some turns few completions come, and multishots end
	Delay       int // a completion comes some turns later
	TrySendFull int // an inline send is refused or cut short although there is room
	EarlyReturn int // a Wait returns nothing
	Stale       int // an op that has ended posts once more when its slot has a new owner: a kernel's bug, caught by generations
	PeerReset   int // for tests: a client resets its connection (World.Chance)
	PeerStall   int // for tests: a client stops for a while (World.Chance)
	ClockJump   int // for tests: the clock leaps (World.Chance)
}

// AllFaults is a mix in which everything happens now and then and connections still get somewhere.
func AllFaults() Faults {
	return Faults{
		ShortRecv: 100, ShortSend: 200, Interrupted: 30, LostMore: 60, Unasked: 20, NoBuffers: 30, AcceptErrs: 100, CancelRace: 300, Reorder: 200,
		Overflow: 20, Delay: 40, TrySendFull: 60, EarlyReturn: 40, Stale: 10, PeerReset: 5, PeerStall: 20, ClockJump: 4,
	}
}

const (
	delayMax = 20 // turns that a late completion takes at most
	burstMax = 12 // turns that an overflow lasts at most
	trickle  = 3  // completions that come per turn meanwhile, at most
)

// SetFaults makes the world misbehave from now on. Their dice are not those of the schedule: a world without faults
// makes the same choices as before for the same seed.
func (w *World) SetFaults(f Faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sched.faults = f
}

// FaultsSet returns what SetFaults was given.
func (w *World) FaultsSet() Faults {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sched.faults
}

// Chance throws the world's dice for a test, so that a seed replays its choices too.
func (w *World) Chance(per1024 int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sched.chance(per1024)
}

// Intn returns a number below n from the same dice; n must be positive.
func (w *World) Intn(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sched.dice.IntN(n)
}
