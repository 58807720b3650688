package coreruntime

import (
	"errors"
	"fmt"
	"time"

	"github.com/percore/percore/internal/driver"
)

// NewManual returns a core without a thread: the calling goroutine owns it and turns it by Turn, with a
// clock of its own. It is for percore's tests.
func NewManual(cfg Config, d driver.Driver) *Core { return NewManuals(cfg, d)[0] }

// NewManuals is NewManual for several cores of one runtime, all turned by the calling goroutine.
func NewManuals(cfg Config, drivers ...driver.Driver) []*Core {
	cfg = cfg.withDefaults()
	cfg.Cores = len(drivers)
	if err := cfg.validate(); err != nil {
		panic(err)
	}
	rt := &Runtime{cfg: cfg, epoch: time.Now(), done: make(chan struct{})}
	for i, d := range drivers {
		c := newCore(rt, i)
		c.manual = true
		c.own(d)
		rt.cores = append(rt.cores, c)
	}
	rt.info = Info{Driver: string(drivers[0].Kind()), Kernel: kernelRelease(), Cores: len(drivers)}
	return rt.cores
}

// Turn makes one turn of a manual core at time now; it never sleeps.
func (c *Core) Turn(now time.Duration) {
	if !c.manual {
		panic("percore: Turn is for cores of NewManual")
	}
	c.must("Core.Turn")
	c.turn(now, false)
}

// Idle reports whether the core would sleep now: no work is left that needs no completion, and the last
// Wait brought none. For tests of manual cores.
func (c *Core) Idle() bool { return !c.busy() && c.cqLen == 0 }

// HasMail reports whether a function that was posted waits for the core's next turn, and its poster has woken the
// core and gone on. For tests of manual cores, which thereby know that another goroutine has got as far.
func (c *Core) HasMail() bool { return c.mail.head.Load() != nil && c.mail.users.Load() == 0 }

// SetWallTime makes t the wall clock's time when the core's clock is 0, for all cores of its runtime: what is made of
// the wall clock, as a date field, then is the same in every run. For tests of manual cores, before the first turn.
func (c *Core) SetWallTime(t time.Time) { c.rt.epoch = t }

// NextTimer returns when the core's next timer wants a turn, negative if there is none. For tests of
// manual cores.
func (c *Core) NextTimer() time.Duration { return c.wheel.deadline() }

// BeginDrain starts the stop of a manual core, which later turns carry on.
func (c *Core) BeginDrain() { c.beginDrain(addSpan(c.now, c.rt.cfg.DrainTimeout)) }

// closeTurnsMax bounds the turns that CloseManual makes; real drivers may need many for cancels.
const closeTurnsMax = 100_000

// CloseManual aborts everything on a manual core, turns it until nothing is left and closes its driver.
// The error says what leaked.
func (c *Core) CloseManual() error {
	c.beginDrain(c.now)
	for n := 0; !c.finished() || !c.sealed; n++ {
		if c.finished() {
			c.sealMail()
			continue
		}
		if n >= closeTurnsMax {
			return errors.Join(fmt.Errorf("BUG: core %d does not end: %d residents, %d tasks, %d ops, %d cancels",
				c.id, c.residents.count, c.tasks.count, c.ops.live, c.cancels), c.drv.Close())
		}
		c.turn(c.now+time.Millisecond, false)
	}
	c.phase = phaseEnded
	return c.close()
}
