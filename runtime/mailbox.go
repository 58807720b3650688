package coreruntime

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
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
	head   atomic.Pointer[letter]
	count  atomic.Int64 // letters posted and not yet run
	users  atomic.Int64 // posts under way; the driver outlives them
	room   chan struct{}
	closed chan struct{}
	sealed letter // as head: nothing is taken any more
	max    int64
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

// take empties the mailbox, oldest letter first.
func (m *mailbox) take() *letter {
	if m.head.Load() == nil {
		return nil
	}
	return reverse(m.head.Swap(nil))
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
		select {
		case m.room <- struct{}{}:
		default:
		}
	}
}

// Post runs fn on the core, after the completions and before the tasks of its next turn. fn must not
// park and must not block; it may start a task. A panic in it is logged and goes no further. Posts of one goroutine run in order. With MailboxMax
// functions waiting, a goroutine waits for room; a core never waits: its posts go over the limit and are
// counted. The error is ErrStopped. Any goroutine.
func (c *Core) Post(fn func()) error {
	m := &c.mail
	for m.count.Add(1) > m.max {
		if c.rt.onAnyCore() {
			c.overflows.Add(1)
			break
		}
		m.count.Add(-1)
		select {
		case <-m.room:
		case <-m.closed:
			return ErrStopped
		}
	}
	return c.post(&letter{fn: fn})
}

// TryPost is Post that neither waits nor goes over MailboxMax: it reports false, and fn will not run, when the
// mailbox is full or the core has ended. Any goroutine.
func (c *Core) TryPost(fn func()) bool {
	if m := &c.mail; m.count.Add(1) > m.max {
		m.count.Add(-1)
		return false
	}
	return c.post(&letter{fn: fn}) == nil
}

func (c *Core) post(l *letter) error {
	m := &c.mail
	m.users.Add(1)
	defer m.users.Add(-1)
	first, ok := m.push(l)
	if !ok {
		m.count.Add(-1)
		return ErrStopped
	}
	if first {
		c.drv.Wake()
	}
	if m.count.Load() < m.max {
		m.ran(0)
	}
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
