package corenet

import (
	"math"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/runtime"
)

// backlogUsual is net.core.somaxconn of today's kernels: what may wait where ListenConfig.Backlog is 0.
const backlogUsual = 4096

// Conns returns how many connections of the listener this core has: those accepted here and those sent here
// by other cores, until their descriptors are closed or detached. Any goroutine.
func (m *CoreListener) Conns() int { return int(m.gauge.conns.Load()) }

// room is how many connections ConnsMax still allows here; less than 0 when there are too many already. Any
// core.
func (m *CoreListener) room() int {
	if m.group.connsMax == 0 {
		return math.MaxInt32
	}
	return m.group.connsMax - m.Conns()
}

// wants reports whether n connections could be sent here. Any core.
func (m *CoreListener) wants(n int) bool {
	g := &m.gauge
	return g.takes.Load() && g.arriving.Load() < arrivingMax && m.room() >= n
}

// bursts reports whether accepting may be multishot: it takes at once whatever waits in the backlog, so there
// must be room for twice that much; it goes on until there is room for once.
func (m *CoreListener) bursts() bool {
	if m.group.connsMax == 0 {
		return true
	}
	room := m.room()
	return room >= 2*m.group.backlog || room >= m.group.backlog && m.op != driver.NoToken && m.multi
}

// capped reports whether ConnsMax forbids to take a connection: this core has no room, nor has any that the
// connection could be sent to. The member is marked while that holds. Whoever makes room looks for marks
// afterwards, and here the room is looked for again after marking, so that a pause cannot outlast its reason.
func (m *CoreListener) capped() bool {
	if m.group.connsMax == 0 {
		return false
	}
	m.borrow(m.room() <= 0) // before looking: what fills up afterwards will tell
	if m.hasRoom() {
		m.endPause()
		return false
	}
	if m.gauge.paused.Load() {
		m.borrow(false)
		return true
	}
	m.gauge.paused.Store(true)
	m.group.paused.Add(1)
	if m.hasRoom() {
		m.endPause()
		return false
	}
	m.borrow(false)
	m.core.Count(coreruntime.AcceptPauses, 1)
	return true
}

// borrow marks a member that is full and accepts for the places of others.
func (m *CoreListener) borrow(on bool) {
	if on == m.gauge.borrows.Load() {
		return
	}
	m.gauge.borrows.Store(on)
	if on {
		m.group.borrowers.Add(1)
	} else {
		m.group.borrowers.Add(-1)
	}
}

// filled is called when a place of m was taken by a connection of from, maybe m. Members that count on its last places
// look again: an accept that stays armed when they are gone takes one connection too many each time. Any core.
func (m *CoreListener) filled(from *CoreListener) {
	if m.group.connsMax > 0 && m.room() < len(m.group.members) {
		m.tellBorrowers(from)
	}
}

func (m *CoreListener) tellBorrowers(from *CoreListener) {
	if m.group.borrowers.Load() == 0 {
		return
	}
	for _, o := range m.group.members {
		if o != from && o.gauge.borrows.Load() {
			o.askToLook()
		}
	}
}

// hasRoom also looks at the other cores. They may all look at the same last place; all but one will have to
// keep their connection. So that this seldom adds up to more than one too many, a core that has one looks for
// so much room that each core could fill a place of it.
func (m *CoreListener) hasRoom() bool {
	room := m.room()
	if room > 0 || m.group.surplusMax < 0 {
		return room > 0
	}
	places := 1
	if room < 0 {
		places = len(m.group.members)
	}
	for _, o := range m.group.members {
		if o != m && o.wants(places) {
			return true
		}
	}
	return false
}

func (m *CoreListener) endPause() {
	if m.gauge.paused.Load() {
		m.gauge.paused.Store(false)
		m.group.paused.Add(-1)
	}
}

// connGone counts a connection out and lets accepting go on.
func (m *CoreListener) connGone() {
	m.uncount()
	m.tellRoom()
	if m.gauge.paused.Load() {
		m.settle()
	}
}

// tellRoom says to the members that pause that they may look for room again. m is the caller's own member,
// which it settles by itself. Each paused member has one letter under way at most.
func (m *CoreListener) tellRoom() {
	if m.group.paused.Load() == 0 || m.group.surplusMax < 0 {
		return
	}
	for _, o := range m.group.members {
		if o != m && o.gauge.paused.Load() {
			o.askToLook()
		}
	}
}

func (m *CoreListener) askToLook() {
	if !m.gauge.waking.Swap(true) {
		_ = m.core.Post(m.lookAgain) // a core that has ended accepts nothing
	}
}

func (m *CoreListener) lookAgain() {
	m.gauge.waking.Store(false)
	m.settle()
}
