package coreruntime

// waitList is a queue of parked tasks, first come first served. A task that is canceled leaves it at once,
// so that tries with a time limit do not pile up behind a lock that is held for long.
type waitList struct {
	head, tail *waitNode
}

type waitNode struct {
	Waiter
	prev, next *waitNode
	listed     bool
}

// park parks the running task until wakeOne; the error says why it was canceled.
func (l *waitList) park(c *Core) error {
	w := &waitNode{prev: l.tail, listed: true}
	if l.tail == nil {
		l.head = w
	} else {
		l.tail.next = w
	}
	l.tail = w
	defer l.remove(w) // also when Park ends the task
	return w.Park(c)
}

func (l *waitList) remove(w *waitNode) {
	if !w.listed {
		return
	}
	if w.prev == nil {
		l.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.listed = nil, nil, false
}

// wakeOne makes the task that has waited longest ready and reports whether there was one. Tasks that were
// canceled and have not run since are passed over.
func (l *waitList) wakeOne() bool {
	for w := l.head; w != nil; w = l.head {
		l.remove(w)
		if w.Parked() {
			w.Wake()
			return true
		}
	}
	return false
}
