package coreruntime

import (
	"errors"
)

// Mutex is a lock for tasks of one core: Lock parks the task, never the core's thread. A sync.Mutex that
// a parked task holds would stop the whole core. The zero value is unlocked.
type Mutex struct {
	locked bool
	queue  waitList
}

// Lock parks the running task until it holds the lock; waiting tasks get it in order. The error says why
// the task was canceled; it does not hold the lock then. Task only.
func (m *Mutex) Lock(c *Core) error {
	if err := c.MustTask("Mutex.Lock"); err != nil {
		return err
	}
	if !m.locked {
		m.locked = true
		return nil
	}
	return m.queue.park(c) // Unlock hands the lock over: it stays locked
}

// Unlock gives the lock to the task that has waited longest. Core only, by the holder.
func (m *Mutex) Unlock() {
	if !m.locked {
		panic("percore: Unlock of an unlocked Mutex")
	}
	m.locked = m.queue.wakeOne()
}

// ErrClosed is what Chan.Send and Chan.Receive return on a closed channel.
var ErrClosed = errors.New("percore: the channel is closed")

// Chan passes values between tasks of one core; sending to a full one and receiving from an empty one
// parks the task. Make one with NewChan.
type Chan[T any] struct {
	core      *Core
	values    fifo[T]
	max       int
	closed    bool
	senders   waitList
	receivers waitList
}

// NewChan returns a channel for c's tasks that holds up to n values, at least 1.
func NewChan[T any](c *Core, n int) *Chan[T] {
	return &Chan[T]{core: c, max: max(n, 1)}
}

// Send parks until there is room and adds v. The error is ErrClosed or why the task was canceled. Task
// only.
func (ch *Chan[T]) Send(v T) error {
	if err := ch.core.MustTask("Chan.Send"); err != nil {
		return err
	}
	for !ch.closed && ch.values.len() >= ch.max {
		if err := ch.senders.park(ch.core); err != nil {
			return err
		}
	}
	if ch.closed {
		return ErrClosed
	}
	ch.values.push(v)
	ch.receivers.wakeOne()
	return nil
}

// Receive parks until there is a value. The error is ErrClosed once the channel is closed and empty, or
// why the task was canceled. Task only.
func (ch *Chan[T]) Receive() (T, error) {
	var zero T
	if err := ch.core.MustTask("Chan.Receive"); err != nil {
		return zero, err
	}
	for ch.values.len() == 0 {
		if ch.closed {
			return zero, ErrClosed
		}
		if err := ch.receivers.park(ch.core); err != nil {
			return zero, err
		}
	}
	v := ch.values.pop()
	ch.senders.wakeOne()
	return v, nil
}

// Len returns how many values wait. Core only.
func (ch *Chan[T]) Len() int { return ch.values.len() }

// Close wakes everybody: values already sent can still be received. Core only.
func (ch *Chan[T]) Close() {
	ch.closed = true
	for ch.senders.wakeOne() || ch.receivers.wakeOne() {
	}
}
