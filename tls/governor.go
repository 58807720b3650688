package coretls

import (
	"time"

	"github.com/percore/percore/runtime"
)

// applicant wants to begin a handshake.
type applicant interface {
	begin()
	place() *ticket
}

// ticket is an applicant's place in its governor's queue. Embed it.
type ticket struct {
	next, prev *ticket
	owner      applicant
	state      ticketState
}

type ticketState uint8

const (
	ticketNone    ticketState = iota // not asked yet, or done: -> waiting, granted
	ticketWaiting                    // in the queue: -> granted, none
	ticketGranted                    // counts as in flight: -> none
)

func (t *ticket) place() *ticket { return t }

// governor admits the handshakes of one core: so many in one turn, so many in
// flight, the rest in order of arrival. The queue is bounded by the number of
// connections. Everything runs on the core.
type governor struct {
	core     *coreruntime.Core
	limits   Limits
	turn     time.Duration // the turn that started counts for
	started  int
	inFlight int
	head     *ticket
	tail     *ticket
	queued   bool // with the core, for a Resume
	logAt    time.Duration
	unlogged int // failures since the last line in the log
}

// ask begins a's handshake, now or later.
func (g *governor) ask(a applicant) {
	t := a.place()
	if t.state != ticketNone {
		panic("BUG: a connection asked twice for its handshake")
	}
	t.owner = a
	if g.head == nil && g.mayStart() {
		g.grant(t)
		return
	}
	t.state = ticketWaiting
	g.core.Count(coreruntime.HandshakesQueued, 1)
	g.push(t)
	g.pump()
}

// leave ends a's claim, whatever its state.
func (g *governor) leave(a applicant) {
	t := a.place()
	switch t.state {
	case ticketWaiting:
		g.remove(t)
	case ticketGranted:
		g.inFlight--
	}
	t.state, t.owner = ticketNone, nil
	g.pump()
}

func (g *governor) mayStart() bool {
	if now := g.core.Now(); now != g.turn {
		g.turn, g.started = now, 0
	}
	return g.inFlight < g.limits.HandshakesInFlightMax && g.started < g.limits.HandshakesPerTurnMax
}

func (g *governor) grant(t *ticket) {
	g.inFlight++
	g.started++
	t.state = ticketGranted
	g.core.Count(coreruntime.Handshakes, 1)
	t.owner.begin()
}

// pump starts what may start and asks for another turn if this one is used up.
func (g *governor) pump() {
	for g.head != nil && g.mayStart() {
		t := g.head
		g.remove(t)
		g.grant(t)
	}
	if g.head != nil && g.inFlight < g.limits.HandshakesInFlightMax && !g.queued {
		g.queued = true
		g.core.QueueResume(g)
	}
}

// Resume implements coreruntime.Resumer: a new turn, a new allowance.
func (g *governor) Resume(now time.Duration) {
	g.queued = false
	g.turn, g.started = now, 0
	g.pump()
}

func (g *governor) push(t *ticket) {
	t.prev = g.tail
	if g.tail == nil {
		g.head = t
	} else {
		g.tail.next = t
	}
	g.tail = t
}

func (g *governor) remove(t *ticket) {
	if t.prev == nil {
		g.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		g.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.next, t.prev = nil, nil
}

// logEvery bounds what failed handshakes may write into the log of one core.
const logEvery = time.Second

// mayLog says whether a failed handshake may be logged now, and how many were not.
func (g *governor) mayLog(now time.Duration) (unlogged int, ok bool) {
	if g.logAt != 0 && now-g.logAt < logEvery {
		g.unlogged++
		return 0, false
	}
	unlogged, g.unlogged = g.unlogged, 0
	g.logAt = now
	return unlogged, true
}
