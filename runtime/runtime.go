package coreruntime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/percore/percore/internal/driver"
)

// Runtime is a group of cores that start and stop together. Its methods may be called from any
// goroutine.
type Runtime struct {
	cfg   Config
	cores []*Core
	info  Info
	epoch time.Time

	ended  sync.WaitGroup
	gone   chan struct{} // closed when every core has ended
	done   chan struct{} // and when the watchdog has, too
	watch  *watchdog
	offCtx func() bool // stops watching Start's context

	mu       sync.Mutex
	err      error // what the cores' ends left to report
	stopping bool
	stopEnd  time.Duration // of the drain, since epoch
}

// Start starts cfg.Cores cores, each on its own locked thread with its own driver, and returns when all
// of them run. When ctx ends the runtime stops as by Stop. With DriverAuto a machine that refuses
// io_uring gets epoll and a warning; see Info.DriverReason.
func Start(ctx context.Context, cfg Config) (*Runtime, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return startDriver(ctx, cfg)
}

// StartOn is Start with drivers of the caller's making, one for each core, opened on that core's locked
// thread. It is for percore's own tests.
func StartOn(ctx context.Context, cfg Config, open func(core int) (driver.Driver, error)) (*Runtime, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return start(ctx, cfg, open)
}

func start(ctx context.Context, cfg Config, open opener) (*Runtime, error) {
	cpus := machineCPUs()
	rt := &Runtime{cfg: cfg, epoch: time.Now(), gone: make(chan struct{}), done: make(chan struct{})}
	if rt.cfg.Cores == 0 {
		rt.cfg.Cores = cpus.defaultCores()
	}
	pins := cpus.pins(rt.cfg.Pin, rt.cfg.Cores)
	for i := range rt.cfg.Cores {
		rt.cores = append(rt.cores, newCore(rt, i))
	}
	for i, c := range rt.cores {
		if err := rt.launch(c, pins.of(i), open); err != nil {
			rt.abandon()
			return nil, fmt.Errorf("percore: core %d of %d did not start: %w", i, rt.cfg.Cores, err)
		}
	}
	rt.info = rt.describe(cpus, pins)
	rt.watch = startWatchdog(rt)
	rt.offCtx = context.AfterFunc(ctx, func() { rt.beginStop(rt.cfg.DrainTimeout) })
	go rt.await()
	return rt, nil
}

// launch starts one core's thread and waits until it owns its driver. The goroutine never unlocks: when
// it returns, the thread and its affinity end with it.
func (rt *Runtime) launch(c *Core, cpu int, open opener) error {
	started := make(chan error, 1)
	rt.ended.Add(1)
	go func() {
		runtime.LockOSThread()
		defer rt.ended.Done()
		d, err := openPinned(c.id, cpu, open)
		if err != nil {
			started <- err
			return
		}
		c.own(d)
		started <- nil
		defer func() { rt.report(c.close()) }() // also when a Goexit has unwound the loop's first frames
		c.run()
	}()
	return <-started
}

// openPinned pins first: the driver's memory then comes from the right node.
func openPinned(core, cpu int, open opener) (driver.Driver, error) {
	if cpu >= 0 {
		if err := pinThread(cpu); err != nil {
			return nil, err
		}
	}
	return open(core)
}

// report collects what the cores have to say at their end.
func (rt *Runtime) report(err error) {
	if err == nil {
		return
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	rt.err = errors.Join(rt.err, err)
}

func (rt *Runtime) await() {
	rt.ended.Wait()
	close(rt.gone)
	rt.offCtx()
	rt.watch.stop()
	close(rt.done)
}

// abandon stops the cores that did start after one did not.
func (rt *Runtime) abandon() {
	for _, c := range rt.cores {
		if c.drv != nil {
			_ = c.postAlways(func() { c.beginDrain(c.now) })
		}
	}
	rt.ended.Wait()
}

// Cores returns all cores, in order.
func (rt *Runtime) Cores() []*Core { return append([]*Core(nil), rt.cores...) }

// Core returns core i; it panics when there is none.
func (rt *Runtime) Core(i int) *Core { return rt.cores[i] }

// Logger returns Config.Logger.
func (rt *Runtime) Logger() *slog.Logger { return rt.cfg.Logger }

// Done is closed when every core has ended.
func (rt *Runtime) Done() <-chan struct{} { return rt.done }

// Run starts fn as a task on every core and waits, on the calling goroutine, until all of them have
// ended. It returns their errors joined; a task's panic is a *PanicError there. Run must not be called on
// a core.
func (rt *Runtime) Run(fn func(c *Core) error) error {
	if rt.onAnyCore() {
		return fmt.Errorf("Runtime.Run waits and must not be called on a core; use Core.Go there: %w", ErrWrongGoroutine)
	}
	errs := make([]error, len(rt.cores))
	var wg sync.WaitGroup
	for i, c := range rt.cores {
		wg.Add(1)
		t := &Task{}
		t.run = &runErrFunc{t: t, fn: func() error { return fn(c) }}
		err := c.Post(func() {
			c.admitTask(t, "run")
			c.onEnd(t, func() { errs[i] = t.err; wg.Done() })
		})
		if err != nil {
			errs[i] = err
			wg.Done()
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// onEnd calls fn on the core after t has ended.
func (c *Core) onEnd(t *Task, fn func()) { t.ending = append(t.ending, fn) }

// Stop ends the runtime in good order: listeners close, connections finish, tasks made by Go are
// canceled. At the earlier of ctx's deadline and Config.DrainTimeout what is left is ended: parked tasks
// by Goexit, connections by reset. It returns when every core's thread is gone, with an error if
// something leaked. A task that neither parks nor returns cannot be ended: Stop then returns a
// *StuckError with its name and stack. Further calls, and those after the end of Start's context, wait for
// the same end, and can bring it forward. It must not be called on a core; OnStall may call it.
func (rt *Runtime) Stop(ctx context.Context) error {
	if rt.onAnyCore() {
		return fmt.Errorf("Runtime.Stop waits and must not be called on a core; use a goroutine: %w", ErrWrongGoroutine)
	}
	span := rt.cfg.DrainTimeout
	if at, ok := ctx.Deadline(); ok {
		span = min(span, max(time.Until(at), 0))
	}
	timer := time.NewTimer(addSpan(rt.beginStop(span), stopGrace))
	defer timer.Stop()
	ended := rt.done
	if rt.watch.calls() {
		ended = rt.gone // the watchdog ends after its OnStall
	}
	select {
	case <-ended:
		rt.mu.Lock()
		defer rt.mu.Unlock()
		return rt.err
	case <-timer.C:
		return rt.stuck()
	}
}

// stopGrace is what aborted work gets on top of the drain deadline.
const stopGrace = 2 * time.Second

// beginStop asks every core to end within span and returns how long that is from now: an end that was set
// before and is earlier stays.
func (rt *Runtime) beginStop(span time.Duration) time.Duration {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	now := rt.cores[0].readClock()
	end := addSpan(now, span)
	if rt.stopping && rt.stopEnd <= end {
		return max(rt.stopEnd-now, 0)
	}
	rt.stopping, rt.stopEnd = true, end
	for _, c := range rt.cores {
		// A core that does not take letters any more is stopping already.
		_ = c.postAlways(func() { c.beginDrain(end) })
	}
	return span
}
