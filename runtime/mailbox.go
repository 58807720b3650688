package coreruntime

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/percore/percore/internal/plant"
)

// letter is one posted function on its way to a core.
type letter struct {
	fn   func()
	next *letter
}

// mailbox is a lock-free stack that any goroutine pushes to and the core empties with one swap. Only the
// push that finds it empty wakes the core; the driver's Wake keeps the store-sleeping, re-check, enter
// protocol, and the core looks here once more before it sleeps.
//
//	goroutine: push ──▶ was it empty? ──▶ Wake ──▶ core: Wait returns ──▶ swap, reverse, run in order
type mailbox struct {
	head    atomic.Pointer[letter]
	count   atomic.Int64 // letters that have a place and have not run
	users   atomic.Int64 // posts under way; the driver outlives them
	waiting atomic.Int64 // posters that found no place
	room    chan struct{}
	closed  chan struct{}
	sealed  letter // as head: nothing is taken any more
	max     int64
}

func (m *mailbox) init(max int) {
	m.room = make(chan struct{}, 1)
	m.closed = make(chan struct{})
	m.max = int64(max)
}

// push adds l and reports whether the mailbox was empty; ok is false once it is sealed.
func (m *mailbox) push(l *letter) (first, ok bool) {
	for {
		head := m.head.Load()
		if head == &m.sealed {
			return false, false
		}
		l.next = head
		if m.head.CompareAndSwap(head, l) {
			return head == nil, true
		}
	}
}

// empty reports whether there is nothing to take.
func (m *mailbox) empty() bool {
	head := m.head.Load()
	return head == nil || head == &m.sealed
}

// take empties the mailbox, oldest letter first.
func (m *mailbox) take() *letter {
	if m.empty() {
		return nil
	}
	return reverse(m.head.Swap(nil)) // only the core seals, so it was not sealed meanwhile
}

func reverse(l *letter) (out *letter) {
	for l != nil {
		l.next, out, l = out, l, l.next
	}
	return out
}

// seal refuses further letters, returns the last ones, and waits for posts under way, so that nobody
// wakes a driver that is gone.
func (m *mailbox) seal() *letter {
	last := m.head.Swap(&m.sealed)
	close(m.closed)
	for m.users.Load() > 0 {
		runtime.Gosched()
	}
	return reverse(last)
}

// ran counts n letters as done and lets one waiting poster look again.
func (m *mailbox) ran(n int64) {
	if m.count.Add(-n) < m.max {
		m.nudge()
	}
}

// nudge lets one waiting poster look again; it nudges the next one. A poster announces itself before it
// looks, so either it sees the place or its nudger sees it.
func (m *mailbox) nudge() {
	if m.waiting.Load() == 0 {
		return
	}
	select {
	case m.room <- struct{}{}:
	default:
	}
}

// reserve takes a place for one letter. It never counts over max, not even for a moment: posters that
// made each other's attempts fail would all wait at an empty mailbox.
func (m *mailbox) reserve() bool {
	for {
		n := m.count.Load()
		if n >= m.max {
			return false
		}
		if m.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// await takes a place as soon as there is one; false: the mailbox was sealed or giveUp came first.
func (m *mailbox) await(giveUp <-chan time.Time) bool {
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	for !m.reserve() {
		select {
		case <-m.room:
		case <-m.closed:
			return false
		case <-giveUp:
			return false
		}
	}
	return true
}

// Post runs fn on the core, after the completions and before the tasks of its next turn. fn must not
// park and must not block; it may start a task. A panic in it is logged and goes no further. Posts of one
// goroutine run in order. With MailboxMax functions waiting, a goroutine waits for room; a core never
// waits: its posts go over the limit and are counted. The error is ErrStopped. What is posted to a core
// that was just ending still runs, and what it starts is ended at its first park. Any goroutine.
func (c *Core) Post(fn func()) error {
	m := &c.mail
	if !m.reserve() {
		if c.rt.onAnyCore() {
			c.overflows.Add(1)
			m.count.Add(1)
		} else if !m.await(nil) {
			return ErrStopped
		}
	}
	return c.post(&letter{fn: fn})
}

// TryPost is Post that neither waits nor goes over MailboxMax: it reports false, and fn will not run, when the
// mailbox is full or the core has ended. Any goroutine.
func (c *Core) TryPost(fn func()) bool {
	return c.mail.reserve() && c.post(&letter{fn: fn}) == nil
}

// postAlways is Post over the limit, for the few letters that must reach a core which stands still, too.
func (c *Core) postAlways(fn func()) error {
	c.mail.count.Add(1)
	return c.post(&letter{fn: fn})
}

// postUntil is Post that gives up waiting for a place.
func (c *Core) postUntil(giveUp <-chan time.Time, fn func()) error {
	if !c.mail.reserve() && !c.mail.await(giveUp) {
		return ErrStopped
	}
	return c.post(&letter{fn: fn})
}

// post pushes a letter that has its place.
func (c *Core) post(l *letter) error {
	m := &c.mail
	m.users.Add(1)
	defer m.users.Add(-1)
	first, ok := m.push(l)
	if !ok {
		m.count.Add(-1)
		return ErrStopped
	}
	if first && !(plant.LostWake && m.count.Load()%4 == 1) {
		c.drv.Wake()
	}
	m.ran(0)
	return nil
}

// readMail runs what was posted. What a letter's Goexit leaves unread is read in the next turn.
func (c *Core) readMail() {
	if c.letters == nil {
		c.letters = c.mail.take()
	}
	if c.letters == nil {
		return
	}
	n := int64(0)
	defer func() { c.mail.ran(n) }()
	for l := c.letters; l != nil; l = c.letters {
		c.letters = l.next
		n++
		c.read(l)
	}
}

// read runs one letter. It may be the user's, so its panic ends nothing but itself.
func (c *Core) read(l *letter) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("percore: a posted function panicked; the core goes on",
				"core", c.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	l.fn()
}
