package coreruntime

import (
	"bytes"
	"context"
	"iter"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/percore/percore/internal/goid"
)

// coro is a coroutine on the core's locked thread. It runs one task after another; a switch to it and
// back costs 60-77 ns, no channel and no scheduler. It must be resumed on the thread it was made on: a
// foreign resume is a fatal throw of the Go runtime, so everything that resumes checks its goroutine
// first.
//
//	made ──▶ idle (pooled) ──▶ running ──▶ parked inside a task ──▶ running ──▶ idle, or ended by Goexit
type coro struct {
	core  *Core
	task  *Task // the task it runs or is parked in, nil while idle
	next  func() (struct{}, bool)
	stop  func() // for idle coroutines only
	yield func(struct{}) bool
	g     uintptr
	goid  uint64 // as in stack dumps
	idle  *coro  // pool list
}

func (c *Core) newCoro() *coro {
	co := &coro{core: c}
	co.next, co.stop = iter.Pull(co.serve)
	return co
}

// serve is the coroutine's life. Each round runs the task it was given and then others that have not
// started yet, which saves their switches.
func (co *coro) serve(yield func(struct{}) bool) {
	// A Goexit ends this goroutine before it unwinds the loop's. In between its g is free for any other goroutine, which
	// must not be taken for the core.
	defer co.core.leave()
	co.yield, co.g, co.goid = yield, goid.G(), currentGoid()
	for {
		co.core.enter(co)
		for t := co.task; t != nil; t = co.core.nextFresh(co) {
			t.exec()
			co.task = nil
		}
		// A pooled coroutine carries no pprof labels of its last task over to the next.
		pprof.SetGoroutineLabels(context.Background())
		if !yield(struct{}{}) {
			return
		}
	}
}

// enter makes co the running code of the core.
func (c *Core) enter(co *coro) {
	c.owner.Store(co.g)
	c.current = co.task
	c.running.Store(co.task)
	c.runningGoid.Store(co.goid)
}

// leave makes the loop the running code again.
func (c *Core) leave() {
	c.owner.Store(c.loopG)
	c.current = nil
	c.running.Store(nil)
	c.runningGoid.Store(c.loopGoid)
}

// nextFresh takes the next ready task for co if it has not run yet and the turn's budget allows.
func (c *Core) nextFresh(co *coro) *Task {
	t := c.ready.head
	if t == nil || t.coro != nil || c.overBudget() {
		return nil
	}
	c.ready.pop()
	t.coro, co.task = co, t
	c.current = t
	c.running.Store(t)
	return t
}

// resume runs t until it parks or ends.
func (c *Core) resume(t *Task) {
	co := t.coro
	if co == nil {
		co = c.takeCoro()
		co.task, t.coro = t, co
	}
	if co.yield != nil { // else serve enters by itself
		c.enter(co)
	}
	co.next()
	c.leave()
	if co.task == nil {
		c.keepCoro(co)
	}
}

func (c *Core) takeCoro() *coro {
	co := c.idleCoros
	if co == nil {
		return c.newCoro()
	}
	c.idleCoros, co.idle = co.idle, nil
	c.idleCount--
	return co
}

func (c *Core) keepCoro(co *coro) {
	if c.idleCount >= c.cfg.TasksIdleMax {
		co.stop()
		return
	}
	co.idle, c.idleCoros = c.idleCoros, co
	c.idleCount++
}

// dropCoros ends the idle coroutines, and with them their goroutines.
func (c *Core) dropCoros() {
	for co := c.idleCoros; co != nil; co = co.idle {
		co.stop()
	}
	c.idleCoros, c.idleCount = nil, 0
}

// budgetStride is how many tasks run between two looks at the clock.
const budgetStride = 8

func (c *Core) overBudget() bool {
	c.ran++
	if c.ran%budgetStride != 0 {
		return false
	}
	c.clock = c.readClock()
	return c.clock > c.budgetEnd
}

// runTasks runs ready tasks until none is left or the turn's budget is used up. A task that yields goes
// to the next turn.
func (c *Core) runTasks(now time.Duration) {
	c.ready.append(&c.yielded) // here, not at the end: a Goexit ends this call early
	if c.ready.head == nil {
		return
	}
	c.budgetEnd = now + c.cfg.TurnBudget
	for t := c.ready.pop(); t != nil; t = c.ready.pop() {
		c.resume(t)
		if c.overBudget() {
			c.counts[BudgetsSpent]++
			break
		}
	}
}

// Yield lets the other tasks and the I/O of the core go first. Like a park it ends a canceled task's wait:
// it returns the cause at once. Task only.
func (c *Core) Yield() error {
	if err := c.MustTask("Core.Yield"); err != nil {
		return err
	}
	t := c.current
	if err := t.canceled(); err != nil {
		return err
	}
	c.yielded.push(t)
	t.wake = nil
	t.coro.yield(struct{}{})
	if t.killed {
		runtime.Goexit()
	}
	return nil
}

// currentGoid reads the running goroutine's number from its stack header; stack dumps name it so.
func currentGoid() uint64 {
	var buf [64]byte
	line := buf[:runtime.Stack(buf[:], false)]
	line = bytes.TrimPrefix(line, []byte("goroutine "))
	if i := bytes.IndexByte(line, ' '); i > 0 {
		line = line[:i]
	}
	n, _ := strconv.ParseUint(string(line), 10, 64)
	return n
}
