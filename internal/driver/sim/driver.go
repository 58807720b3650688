package sim

import (
	"fmt"
	"time"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/emulate"
)

// Config are the sizes of one core's driver; a zero value is its default.
type Config struct {
	BufferSize int // bytes of one provided buffer, 4096
	Buffers    int // provided buffers at the start, 512
	BuffersMax int // what Grow may reach, 4096
}

func (c Config) withDefaults() Config {
	set := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	set(&c.BufferSize, 4096)
	set(&c.Buffers, 512)
	set(&c.BuffersMax, max(4096, c.Buffers))
	return c
}

// Driver implements driver.Driver in a World. Ops do nothing until Wait, as on a ring.
type Driver struct {
	w      *World
	core   int
	cfg    Config
	group  *emulate.Group
	submit []driver.Op    // since the last Wait
	slots  []*op          // ops in flight by token slot
	last   []driver.Token // the latest token of each slot
	ready  []*op          // ops that may have something to do, first come first
	pool   []*op
	done   emulate.Queue // what a world without faults has completed
	late   lateQueue     // what one with faults has
	burst  int           // turns for which the completion queue stays in trouble
	woken  bool
	closed bool
	count  driver.Counters
}

var _ driver.Driver = (*Driver)(nil)

// Driver makes the driver of one core. core only names it in messages.
func (w *World) Driver(core int, cfg Config) *Driver {
	cfg = cfg.withDefaults()
	group, err := emulate.NewGroup(emulate.Heap, cfg.BufferSize, cfg.Buffers, cfg.BuffersMax)
	if err != nil {
		panic(fmt.Sprintf("BUG: core %d: %v", core, err))
	}
	return &Driver{w: w, core: core, cfg: cfg, group: group}
}

// Kind returns driver.Sim.
func (d *Driver) Kind() driver.Kind { return driver.Sim }

// Submit queues op for the next Wait.
func (d *Driver) Submit(o driver.Op) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.count.Submitted++
	d.submit = append(d.submit, o)
}

// Buffer returns the whole provided buffer bid.
func (d *Driver) Buffer(bid int32) []byte { return d.group.Buffer(bid) }

// Recycle gives a lent buffer back; the next Wait may lend it again.
func (d *Driver) Recycle(bid int32) { d.group.Recycle(bid) }

// Buffers returns how many provided buffers exist.
func (d *Driver) Buffers() int { return d.group.Len() }

// Grow adds as many buffers as there were at the start, up to BuffersMax, and returns how many exist.
func (d *Driver) Grow() int { return d.group.Grow() }

// Lent returns how many provided buffers the core holds; a test that leaks none ends with 0.
func (d *Driver) Lent() int { return d.group.Lent() }

// Wait takes the queued ops on, moves what can move, and fills out. It never sleeps and no time passes:
// min and timeout do nothing.
func (d *Driver) Wait(out []driver.Completion, min int, timeout time.Duration) (int, error) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.woken = false
	d.count.Enters++
	for _, o := range d.submit {
		d.begin(o)
	}
	clear(d.submit)
	d.submit = d.submit[:0]
	if d.w.sched.chance(d.w.sched.faults.EarlyReturn) {
		return 0, nil
	}
	out = out[:d.overflow(len(out))]
	d.run(len(out))
	n := d.done.Pop(out)
	n += d.late.pop(out[n:], &d.w.sched)
	d.count.Completed += uint64(n)
	return n, nil
}

// overflow returns how many completions this turn may bring.
func (d *Driver) overflow(max int) int {
	if d.burst == 0 {
		if d.burst = d.w.sched.burst(); d.burst > 0 {
			d.count.Overflows++
		}
	}
	if d.burst == 0 {
		return max
	}
	d.burst--
	return min(max, 1+d.w.sched.dice.IntN(trickle))
}

// waiting is how many completions wait.
func (d *Driver) waiting() int { return d.done.Len() + len(d.late.list) }

// run moves ready ops one step at a time until max completions wait or nothing can move.
func (d *Driver) run(max int) {
	for d.waiting() < max && len(d.ready) > 0 {
		i := d.w.sched.next(len(d.ready))
		o := d.ready[i]
		copy(d.ready[i:], d.ready[i+1:])
		d.ready[len(d.ready)-1] = nil
		d.ready = d.ready[:len(d.ready)-1]
		o.queued = false
		if o.s == nil { // ended by a cancel while it was queued
			d.pool = append(d.pool, o)
			continue
		}
		again := d.step(o)
		for again && d.w.sched.greedy && d.done.Len() < max {
			again = d.step(o)
		}
		if again {
			d.makeReady(o)
		}
	}
}

// makeReady queues an op that may have something to do.
func (d *Driver) makeReady(o *op) {
	if !o.queued {
		o.queued = true
		d.ready = append(d.ready, o)
	}
}

// Wake records that the next Wait shall return, which every Wait of this driver does.
func (d *Driver) Wake() {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.woken = true
	d.count.WakeCalls++
}

// Woken reports whether Wake was called since the last Wait: a test turns such a core next.
func (d *Driver) Woken() bool {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	return d.woken
}

// Pending reports whether a Wait would find something to do: a test turns cores until none has.
func (d *Driver) Pending() bool {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	return d.woken || len(d.submit) > 0 || len(d.ready) > 0 || d.waiting() > 0
}

// Counters returns the running totals.
func (d *Driver) Counters() driver.Counters {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	c := d.count
	c.MappedBytes = uint64(d.group.Bytes())
	return c
}

// Close ends the ops that are left, and closes the connections that a late completion would have brought.
func (d *Driver) Close() error {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	for _, o := range d.slots {
		if o != nil {
			d.end(o)
		}
	}
	for _, l := range d.late.list {
		if l.fd >= 0 {
			d.w.free(l.fd)
		}
	}
	d.submit, d.ready, d.late.list = nil, nil, nil
	return d.group.Free()
}
