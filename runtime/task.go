package coreruntime

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// Task is user code that runs on one core as a coroutine: it parks instead of blocking, and the core's
// thread goes on. Tasks of a core never run at the same time.
//
//	Go ──▶ ready ──▶ running ──▶ ended
//	         ▲          │ Park
//	         └─ Wake ── parked      Cancel makes a parked task ready with an error
type Task struct {
	core *Core
	name atomic.Pointer[string] // read by the watchdog
	run  Runnable
	coro *coro // from its first run to its end

	next *Task // ready list

	waiter  *Waiter  // where it is parked
	wake    error    // what Park returns
	pending error    // a cancel that found the task not parked
	limit   *timeout // the innermost WithTimeout it is in
	overdue int      // how many of them have run out unmet
	ready   bool     // in the ready list or running
	killed  bool     // the next park ends it
	pooled  bool     // made by Start: no handle, used again
	ended   bool
	normal  bool // the user's function returned

	err     error // result
	joiners waitList
	ending  []func()    // called once it has ended
	offCtx  func() bool // stops the context's AfterFunc

	prevAll, nextAll *Task
	timer            Timer // Sleep
	pause            Waiter
}

// Runnable is what a pooled task runs. Cleaning up belongs into deferred calls of Run: a panic or Goexit
// ends the task only.
type Runnable interface {
	Run()
}

type runFunc func()

func (f runFunc) Run() { f() }

// runErrFunc keeps the result of a function for its task.
type runErrFunc struct {
	t  *Task
	fn func() error
}

func (r *runErrFunc) Run() { r.t.err = r.fn() }

// Go starts fn as a task of this core and returns its handle. It runs in this turn's task phase, or the
// next. The name appears in logs and stall reports. Core only; from elsewhere use Post. On a stopping
// core the task is canceled from the start.
func (c *Core) Go(name string, fn func()) *Task {
	c.must("Core.Go")
	t := &Task{run: runFunc(fn)}
	c.admitTask(t, name)
	return t
}

// GoContext is Go for a function with a result (see Task.Wait) whose task is canceled when ctx is, with
// context.Cause(ctx).
func (c *Core) GoContext(ctx context.Context, name string, fn func() error) *Task {
	c.must("Core.GoContext")
	t := &Task{}
	t.run = &runErrFunc{t: t, fn: fn}
	c.admitTask(t, name)
	if ctx.Done() != nil {
		t.offCtx = context.AfterFunc(ctx, func() { t.Cancel(context.Cause(ctx)) })
	}
	return t
}

// Start runs r as a pooled task without a handle; it allocates nothing once the pool is warm. Only Stop
// can cancel it. Core only.
func (c *Core) Start(name string, r Runnable) {
	t := c.freeTask
	if t != nil {
		c.freeTask, t.next = t.next, nil
	} else {
		t = &Task{pooled: true}
	}
	t.run = r
	c.admitTask(t, name)
}

func (c *Core) admitTask(t *Task, name string) {
	t.core = c
	t.name.Store(c.intern(name))
	t.nextAll = c.tasks.head
	if t.nextAll != nil {
		t.nextAll.prevAll = t
	}
	c.tasks.head = t
	c.tasks.count++
	c.counts[TasksStarted]++
	if c.phase >= phaseDraining && (!t.pooled || c.drainHalf) {
		t.pending = errStopping
	}
	t.killed = c.phase >= phaseAborting // too late for any park
	c.makeReady(t)
}

// intern keeps one pointer for a name, so that a pooled task can show it to the watchdog without an
// allocation. Names past internMax are not kept.
func (c *Core) intern(name string) *string {
	if c.lastName != nil && *c.lastName == name {
		return c.lastName
	}
	p := c.names[name]
	if p == nil {
		kept := name // name itself must not escape
		p = &kept
		if len(c.names) < internMax {
			c.names[name] = p
		}
	}
	c.lastName = p
	return p
}

const internMax = 256

// taskList links all tasks of a core, for Stop.
type taskList struct {
	head  *Task
	count int
}

func (c *Core) makeReady(t *Task) {
	if t.ready || t.ended {
		panic("BUG: a task was made ready twice or after its end")
	}
	t.ready = true
	c.ready.push(t)
}

// Name returns the task's name. Any goroutine.
func (t *Task) Name() string { return *t.name.Load() }

// Cancel asks the task to end: the call it is parked in, or parks in next, returns an error that wraps
// cause (nil: ErrTaskCanceled). Later parks work again, so that it can clean up, until the runtime's
// drain deadline. Any goroutine.
func (t *Task) Cancel(cause error) {
	if cause == nil {
		cause = ErrTaskCanceled
	}
	if t.core.onCore() {
		t.cancel(cause)
		return
	}
	// A core that is gone has no tasks left to cancel.
	_ = t.core.Post(func() { t.cancel(cause) })
}

func (t *Task) cancel(cause error) {
	switch {
	case t.ended:
	case t.waiter != nil:
		t.unpark(cause)
	case t.pending == nil:
		t.pending = cause
	}
}

// unpark makes a parked task ready; its Park returns err.
func (t *Task) unpark(err error) {
	t.waiter.task, t.waiter, t.wake = nil, nil, err
	t.core.makeReady(t)
}

// Wait parks the calling task until t has ended and returns t's result: nil, the error of its function,
// a *PanicError, ErrGoexit, or why the caller was canceled. A task of the same core only.
func (t *Task) Wait() error {
	if err := t.core.MustTask("Task.Wait"); err != nil {
		return err
	}
	for !t.ended {
		if err := t.joiners.park(t.core); err != nil {
			return err
		}
	}
	return t.err
}

// exec runs the user's function inside the coroutine.
func (t *Task) exec() {
	t.normal = false
	defer t.finish()
	t.run.Run()
	t.normal = true
}

// finish runs in the coroutine after the user's function, by whatever way that ended.
func (t *Task) finish() {
	if !t.normal {
		t.err = t.failure(recover())
	}
	t.core.endTask(t)
}

func (t *Task) failure(p any) error {
	if p == nil {
		return ErrGoexit
	}
	err := &PanicError{Task: t.Name(), Value: p, Stack: debug.Stack()}
	t.core.counts[TaskPanics]++
	t.core.log.Error("percore: a task panicked; the core goes on",
		"core", t.core.id, "task", err.Task, "panic", fmt.Sprint(p), "stack", string(err.Stack))
	return err
}

func (c *Core) endTask(t *Task) {
	t.ended, t.ready, t.coro = true, false, nil
	if t.prevAll != nil {
		t.prevAll.nextAll = t.nextAll
	} else {
		c.tasks.head = t.nextAll
	}
	if t.nextAll != nil {
		t.nextAll.prevAll = t.prevAll
	}
	t.prevAll, t.nextAll = nil, nil
	c.tasks.count--
	if t.offCtx != nil {
		t.offCtx()
	}
	for t.joiners.wakeOne() {
	}
	for _, fn := range t.ending {
		fn()
	}
	t.ending = nil
	if t.pooled {
		c.recycleTask(t)
	}
}

func (c *Core) recycleTask(t *Task) {
	t.run, t.err, t.pending, t.wake = nil, nil, nil, nil
	t.ended, t.killed = false, false
	t.next, c.freeTask = c.freeTask, t
}

// Waiter is one place where one task of the core parks until something happens there. The zero value is
// ready.
type Waiter struct {
	task *Task
}

// Parked reports whether a task is parked here. Core only.
func (w *Waiter) Parked() bool { return w.task != nil }

// Park parks the running task until Wake; it returns nil then, or the cause if the task was canceled. A
// task must call it, at most one at a time for each Waiter. Past the drain deadline it does not return:
// the task ends by runtime.Goexit, running its deferred calls.
func (w *Waiter) Park(c *Core) error {
	if !c.InTask() {
		return c.MustTask("Waiter.Park")
	}
	t := c.current
	if w.task != nil {
		panic("BUG: two tasks parked at one Waiter")
	}
	if t.killed {
		runtime.Goexit()
	}
	if t.pending != nil || t.overdue > 0 {
		return t.takeCancel()
	}
	w.task, t.waiter, t.wake, t.ready = t, w, nil, false
	t.coro.yield(struct{}{})
	if t.killed {
		runtime.Goexit()
	}
	return t.wake
}

// canceled is what a park does before it waits, for calls that have more to do than wait.
func (t *Task) canceled() error {
	if t.killed {
		runtime.Goexit()
	}
	if t.pending != nil || t.overdue > 0 {
		return t.takeCancel()
	}
	return nil
}

// takeCancel returns one cancel that found the task not parked; each is met once.
func (t *Task) takeCancel() error {
	if err := t.pending; err != nil {
		t.pending = nil
		return err
	}
	for l := t.limit; l != nil; l = l.outer {
		if l.due {
			l.met()
			return ErrTimeout
		}
	}
	panic("BUG: a task is overdue without a limit")
}

// Wake makes the task that is parked here ready; without one it does nothing. Core only.
func (w *Waiter) Wake() {
	if w.task != nil {
		w.task.unpark(nil)
	}
}

// readyList is a FIFO of tasks.
type readyList struct {
	head, tail *Task
}

func (l *readyList) push(t *Task) {
	t.next = nil
	if l.tail == nil {
		l.head = t
	} else {
		l.tail.next = t
	}
	l.tail = t
}

func (l *readyList) pop() *Task {
	t := l.head
	if t == nil {
		return nil
	}
	if l.head = t.next; l.head == nil {
		l.tail = nil
	}
	t.next = nil
	return t
}

// append moves all of other behind l.
func (l *readyList) append(other *readyList) {
	if other.head == nil {
		return
	}
	if l.tail == nil {
		*l = *other
	} else {
		l.tail.next, l.tail = other.head, other.tail
	}
	*other = readyList{}
}
