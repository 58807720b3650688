package coreruntime

import "time"

// ResidentOwner is something that lives on a core until it has left by itself: a connection, a listener.
type ResidentOwner interface {
	// Drain asks it to end in good order: say goodbye, finish, leave.
	Drain(now time.Duration)
	// Abort ends it now; it leaves as soon as the kernel has answered its last op.
	Abort(now time.Duration)
}

// Resident is the place of a ResidentOwner in its core's list; embed it.
type Resident struct {
	owner      ResidentOwner
	prev, next *Resident
}

// residentList keeps the residents of a core in no order that anybody may rely on.
type residentList struct {
	head  *Resident
	count int
	walk  *Resident // the next one of each
}

// Admit lists o: a graceful stop drains it, a late one aborts it, and the core outlives it. On a core
// that is past draining o is aborted in the next turn. Core only.
func (c *Core) Admit(r *Resident, o ResidentOwner) {
	r.owner, r.prev, r.next = o, nil, c.residents.head
	if r.next != nil {
		r.next.prev = r
	}
	c.residents.head = r
	c.residents.count++
	if c.phase >= phaseDraining {
		c.drainLate = true
	}
}

// Leave unlists what Admit listed. Core only.
func (c *Core) Leave(r *Resident) {
	if r.owner == nil {
		panic("BUG: a resident left twice")
	}
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		c.residents.head = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	if c.residents.walk == r {
		c.residents.walk = r.next
	}
	r.owner, r.prev, r.next = nil, nil, nil
	c.residents.count--
}

// each calls fn for every resident; fn may make any of them leave: one end of a relay ends the other.
func (l *residentList) each(fn func(ResidentOwner)) {
	for r := l.head; r != nil; r = l.walk {
		l.walk = r.next
		fn(r.owner)
	}
}
