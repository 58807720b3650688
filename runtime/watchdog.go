package coreruntime

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/percore/percore/internal/goid"
)

// Stall is a core whose turn has lasted longer than Config.StallMax.
type Stall struct {
	Core  int
	Task  string // the running task; empty: the loop itself
	State string // the goroutine's state as the Go runtime names it
	// Deadlock says that the task waits for a lock or channel. If its other side is a task of the same
	// core, the core stands still for ever.
	Deadlock bool
	For      time.Duration // how long so far
	Stack    string
}

func (s Stall) String() string {
	what := "computes without parking"
	if s.Deadlock {
		what = "core deadlock: it waits for a lock or channel inside a task, which stops the whole core; use percore's own Mutex and Chan, or Offload"
	}
	return fmt.Sprintf("percore: core %d stalled for %v in task %q (%s): %s", s.Core, s.For.Round(time.Millisecond), s.Task, s.State, what)
}

// watchdog looks at every core's turn counter and reports a stall once.
type watchdog struct {
	rt    *Runtime
	quit  chan struct{}
	ended chan struct{}
	g     atomic.Uintptr // of loop, where OnStall runs
}

// watched is what the watchdog remembers of a core.
type watched struct {
	turns    uint64
	since    time.Time
	reported bool
}

func startWatchdog(rt *Runtime) *watchdog {
	w := &watchdog{rt: rt, quit: make(chan struct{}), ended: make(chan struct{})}
	if rt.cfg.StallMax < 0 {
		close(w.ended)
		return w
	}
	go w.loop()
	return w
}

func (w *watchdog) stop() {
	close(w.quit)
	<-w.ended
}

// calls reports whether the caller is OnStall. Manual cores have no watchdog.
func (w *watchdog) calls() bool { return w != nil && goid.G() == w.g.Load() }

func (w *watchdog) loop() {
	defer close(w.ended)
	w.g.Store(goid.G())
	defer w.g.Store(0)
	tick := time.NewTicker(max(w.rt.cfg.StallMax/4, time.Millisecond))
	defer tick.Stop()
	seen := make([]watched, len(w.rt.cores))
	for {
		select {
		case <-w.quit:
			return
		case now := <-tick.C:
			for i, c := range w.rt.cores {
				w.look(c, &seen[i], now)
			}
		}
	}
}

// look reports c if it has been in the same turn for StallMax. The counter is even while it sleeps.
func (w *watchdog) look(c *Core, seen *watched, now time.Time) {
	turns := c.turns.Load()
	if turns != seen.turns || turns%2 == 0 {
		*seen = watched{turns: turns, since: now}
		return
	}
	age := now.Sub(seen.since)
	if seen.reported || age < w.rt.cfg.StallMax {
		return
	}
	seen.reported = true
	stall := c.inspect()
	if c.turns.Load() != turns {
		return // it went on meanwhile
	}
	stall.For = age
	if fn := w.rt.cfg.OnStall; fn != nil {
		fn(stall)
		return
	}
	c.log.Error(stall.String(), "core", stall.Core, "task", stall.Task, "state", stall.State, "stack", stall.Stack)
}

// inspect names what runs on the core. Any goroutine.
func (c *Core) inspect() Stall {
	s := Stall{Core: c.id}
	if t := c.running.Load(); t != nil {
		s.Task = t.Name()
	}
	s.State, s.Stack = goroutineStack(c.runningGoid.Load())
	s.Deadlock = waits(s.State)
	return s
}

// waits reports whether a goroutine state means waiting for another goroutine.
func waits(state string) bool {
	for _, prefix := range []string{"chan ", "select", "sync.", "semacquire", "sleep", "IO wait"} {
		if strings.HasPrefix(state, prefix) {
			return true
		}
	}
	return false
}

const stackDumpMax = 64 << 20

// goroutineStack finds one goroutine in a dump of all.
func goroutineStack(id uint64) (state, stack string) {
	buf := make([]byte, 1<<20)
	n := runtime.Stack(buf, true)
	for n == len(buf) && len(buf) < stackDumpMax {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	head := fmt.Appendf(nil, "goroutine %d ", id)
	for _, part := range bytes.Split(buf[:n], []byte("\n\n")) {
		if bytes.HasPrefix(part, head) {
			line, _, _ := strings.Cut(string(part), "\n")
			_, line, _ = strings.Cut(line, "[")
			line, _, _ = strings.Cut(line, "]")
			return line, string(part)
		}
	}
	return "unknown", ""
}

// stuck names a core that does not end: one in a task rather than one that others hold up.
func (rt *Runtime) stuck() error {
	var found *StuckError
	for _, c := range rt.cores {
		s := c.inspect()
		if s.Stack != "" && (found == nil || found.Task == "" && s.Task != "") {
			found = &StuckError{Core: s.Core, Task: s.Task, State: s.State, Stack: s.Stack}
		}
	}
	if found != nil {
		return found
	}
	return fmt.Errorf("percore: the runtime did not stop in time: %w", ErrStopped)
}
