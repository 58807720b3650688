package coreruntime

import (
	"runtime/debug"
)

// offloadCall is one function on an ordinary goroutine and the task that waits for it.
type offloadCall struct {
	wait Waiter
	err  error
}

// Offload runs fn on an ordinary goroutine, where it may block, and parks the calling task until it
// returns. At most Config.OffloadMax calls of a core run at once; further ones wait their turn. When the
// task is canceled Offload returns the cause at once and fn's result is dropped. A panic of fn comes back
// as a *PanicError, a Goexit as ErrGoexit. Task only.
func Offload[T any](c *Core, fn func() (T, error)) (T, error) {
	var zero T
	if err := c.MustTask("Offload"); err != nil {
		return zero, err
	}
	if err := c.offloadSlot(); err != nil {
		return zero, err
	}
	var v T
	call := &offloadCall{}
	go call.run(c, func() (err error) {
		v, err = fn()
		return err
	})
	if err := call.wait.Park(c); err != nil {
		return zero, err
	}
	return v, call.err
}

// offloadSlot waits until fewer than OffloadMax calls run.
func (c *Core) offloadSlot() error {
	if err := c.current.canceled(); err != nil {
		return err // before fn starts: nobody would take its result
	}
	for c.offloads >= c.cfg.OffloadMax {
		if err := c.offloadQueue.park(c); err != nil {
			return err
		}
	}
	c.offloads++
	c.counts[Offloads]++
	return nil
}

// run is the goroutine. Its last act hands the result to the core; a core that is gone has no task that
// could want it.
func (call *offloadCall) run(c *Core, fn func() error) {
	err := error(ErrGoexit)
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Task: "offload", Value: p, Stack: debug.Stack()}
		}
		_ = c.Post(func() { call.end(c, err) })
	}()
	err = fn()
}

func (call *offloadCall) end(c *Core, err error) {
	call.err = err
	c.offloads--
	c.offloadQueue.wakeOne()
	call.wait.Wake()
}
