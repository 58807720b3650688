package coreruntime

import (
	"fmt"
	"iter"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/goid"
)

// phase is how far a core is on its way to its end.
//
//	running ──Stop──▶ draining ──deadline──▶ aborting ──nothing left──▶ ended
//	                     └────────────nothing left──────────────────────▲
type phase uint8

const (
	phaseRunning phase = iota
	// phaseDraining: residents were asked to finish, tasks made by Go were canceled; parks still work.
	phaseDraining
	// phaseAborting: every park ends its task, residents are aborted.
	phaseAborting
	phaseEnded
)

// Core is one locked thread with one driver and one loop. Everything on it runs on that thread, one thing
// at a time: the loop, or one of its tasks. Methods marked core only check that and say so; Post, Go of a
// running core's tasks and the context of GoContext are how others reach it.
type Core struct {
	rt  *Runtime
	cfg Config
	id  int
	log *slog.Logger
	drv driver.Driver

	owner       atomic.Uintptr // g of the loop, or of the coroutine it has resumed
	running     atomic.Pointer[Task]
	runningGoid atomic.Uint64
	turns       atomic.Uint64 // odd while awake, even while asleep in Wait: what the watchdog looks at
	loopG       uintptr
	loopGoid    uint64
	exits       int // Goexits that loopG has taken
	manual      bool

	now       time.Duration // read once a turn
	clock     time.Duration // the latest reading, for what is measured inside a turn
	budgetEnd time.Duration
	ran       uint

	cq    []driver.Completion // the batch the last Wait copied out
	cqLen int

	ops     opSlab
	cancels int // cancel requests whose own completion is due
	lent    int // provided buffers with the core
	wheel   wheel
	mail    mailbox
	letters *letter // taken from the mailbox and not read yet
	chunks  chunkPool
	scratch []byte

	tasks     taskList
	ready     readyList
	yielded   readyList
	current   *Task
	freeTask  *Task
	idleCoros *coro
	idleCount int
	names     map[string]*string
	lastName  *string

	offloads     int
	offloadQueue waitList

	flushes, flushesSpare []Flusher
	resumes, resumesSpare []Resumer
	starved               fifo[Starved]

	residents residentList
	phase     phase
	drainLate bool
	drainEnd  time.Duration
	drainWarn time.Duration // when the pooled tasks are canceled, too
	drainHalf bool
	sealed    bool // the mailbox takes nothing any more

	counts    [countersLen]uint64
	overflows atomic.Uint64
	load      load
}

// cqBatch is how many completions one turn takes at most.
const cqBatch = 256

func newCore(rt *Runtime, id int) *Core {
	c := &Core{rt: rt, cfg: rt.cfg, id: id, log: rt.cfg.Logger}
	c.cq = make([]driver.Completion, cqBatch)
	c.names = make(map[string]*string)
	c.wheel.init()
	c.mail.init(c.cfg.MailboxMax)
	return c
}

// own makes the calling goroutine the core's loop.
func (c *Core) own(d driver.Driver) {
	c.drv = d
	c.bind()
	c.now = c.readClock()
	c.clock = c.now
	c.turns.Store(1)
}

// bind takes the core over for the calling goroutine, from one that has ended or never comes back here.
func (c *Core) bind() {
	c.loopG, c.loopGoid = goid.G(), currentGoid()
	c.leave()
}

// disown is the end of own.
func (c *Core) disown() {
	c.owner.Store(0)
	c.runningGoid.Store(0)
	c.turns.Store(0) // even: an ended core does not stall
}

// ID returns the core's number, from 0. Any goroutine.
func (c *Core) ID() int { return c.id }

// Stopping reports whether the core is on its way to its end: residents that ask their own kind to finish must also ask
// those that come late. Core only.
func (c *Core) Stopping() bool { return c.phase != phaseRunning }

// Ended reports whether the core has nothing left and takes no more mail. A function posted just before
// still runs, but what it starts here ends at once: tasks at their first park, residents by Abort. Core only.
func (c *Core) Ended() bool { return c.sealed }

// Runtime returns what the core belongs to. Any goroutine.
func (c *Core) Runtime() *Runtime { return c.rt }

// Logger returns the runtime's logger. Any goroutine.
func (c *Core) Logger() *slog.Logger { return c.log }

// Now returns the time of this turn: monotonic, since the runtime started. Core only.
func (c *Core) Now() time.Duration { return c.now }

// Until translates a point in time into the core's clock. Core only.
func (c *Core) Until(t time.Time) time.Duration {
	if c.manual {
		return t.Sub(c.rt.epoch)
	}
	return addSpan(c.readClock(), time.Until(t))
}

// WallTime returns the wall clock of this turn. Core only.
func (c *Core) WallTime() time.Time { return c.rt.epoch.Add(c.now) }

// readClock is the only clock below the user: everything else is given now.
func (c *Core) readClock() time.Duration {
	if c.manual {
		return c.now
	}
	return time.Since(c.rt.epoch)
}

// run is the core's thread. A Goexit of a task arrives through the coroutine's next() and unwinds the goroutine that
// resumed it; what it unwinds stays on the stack, about 700 bytes, while the loop goes on from a deferred call. So the
// loop is a coroutine of its own, which after exitsMax of them lets itself be unwound, stack and all, and run makes a
// new one. A panic here is our own bug and goes on.
func (c *Core) run() {
	defer func() {
		if p := recover(); p != nil {
			panic(p)
		}
		c.bind()
		if c.phase != phaseEnded {
			c.run()
		}
	}()
	next, _ := iter.Pull(func(func(struct{}) bool) {
		defer c.owner.Store(0) // its g may be another goroutine's next
		c.bind()
		c.exits = 0
		c.loop()
	})
	next()
}

// exitsMax is how many Goexits one goroutine of the loop takes.
const exitsMax = 1000

// loop turns until nothing is left. The turn that a Goexit has cut short is taken up by the next one.
func (c *Core) loop() {
	defer func() {
		if p := recover(); p != nil {
			panic(&loopPanic{p, debug.Stack()})
		}
		c.leave()
		if c.exits++; c.phase != phaseEnded && c.exits < exitsMax {
			c.loop()
		}
	}()
	for {
		for !c.finished() {
			c.turn(c.readClock(), true)
		}
		if c.sealed {
			break
		}
		c.sealMail()
	}
	c.phase = phaseEnded
}

// loopPanic carries the stack of a panic out of the loop's coroutine, which would lose it.
type loopPanic struct {
	value any
	stack []byte
}

func (p *loopPanic) Error() string { return fmt.Sprintf("%v\n\n%s", p.value, p.stack) }

// turn is one pass: completions, mail, timers, put-off work, tasks, flushes, and then the one place that
// blocks.
//
//	Wait's batch ─▶ dispatch ─▶ mail ─▶ timers ─▶ resumers, starved ─▶ tasks ─▶ flushes ─▶ Wait
func (c *Core) turn(now time.Duration, sleep bool) {
	c.now, c.clock = now, now
	c.counts[Turns]++
	c.dispatch()
	c.readMail()
	c.wheel.expire(now)
	c.resumeAll(now)
	c.feed(now)
	if c.phase != phaseRunning {
		c.drain(now)
	}
	c.runTasks(now)
	c.flushAll(now)
	c.wait(sleep)
}

// busy reports whether there is work that needs no completion.
func (c *Core) busy() bool {
	return c.ready.head != nil || c.yielded.head != nil || len(c.resumes) > 0 || len(c.flushes) > 0 ||
		!c.mail.empty() || c.letters != nil || c.canFeed() || c.drainLate || c.finished()
}

// wait submits the turn's ops and takes the next batch; it sleeps only when nothing else is left to do.
func (c *Core) wait(sleep bool) {
	minimum, timeout := 0, time.Duration(-1)
	if sleep && !c.busy() {
		minimum = 1
		timeout = c.sleepTime()
		if timeout == 0 {
			minimum = 0
		}
	}
	if minimum > 0 {
		c.turns.Add(1)
	}
	n, err := c.drv.Wait(c.cq, minimum, timeout)
	if minimum > 0 {
		c.turns.Add(1)
	} else {
		c.turns.Add(2)
	}
	if err != nil {
		panic(fmt.Errorf("percore: core %d: the %s driver failed and its connections with it: %w", c.id, c.drv.Kind(), err))
	}
	c.cqLen = n
}

// sleepTime is how long Wait may sleep: until the next timer, and until the next step of a stop.
func (c *Core) sleepTime() time.Duration {
	at := c.wheel.deadline()
	if c.phase == phaseDraining && (at < 0 || c.nextDrainStep() < at) {
		at = c.nextDrainStep()
	}
	if at < 0 {
		return -1
	}
	c.clock = c.readClock()
	return max(at-c.clock, 0)
}
