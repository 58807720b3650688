package coreruntime

import (
	"fmt"

	"github.com/percore/percore/internal/goid"
)

// onCore reports whether the caller is this core's loop or its running task.
func (c *Core) onCore() bool { return goid.G() == c.owner.Load() }

// onAnyCore reports whether the caller runs on a core of this runtime.
func (rt *Runtime) onAnyCore() bool {
	g := goid.G()
	for _, c := range rt.cores {
		if c.owner.Load() == g {
			return true
		}
	}
	return false
}

// Check returns nil when the caller is this core's loop or running task, else an error that wraps
// ErrWrongGoroutine and names method and remedy. Any goroutine.
func (c *Core) Check(method string) error {
	if c.onCore() {
		return nil
	}
	return fmt.Errorf("%s may only be called on core %d, from its loop or one of its tasks; use Core.Post to get there: %w",
		method, c.id, ErrWrongGoroutine)
}

// must is Check for methods without an error result: misuse is the caller's bug.
func (c *Core) must(method string) {
	if err := c.Check(method); err != nil {
		panic(err)
	}
}

// InTask reports whether the caller is a task of this core, so that Park is allowed. Any goroutine.
func (c *Core) InTask() bool { return c.onCore() && c.current != nil }

// MustTask returns nil when the caller is a task of this core, else an error that wraps
// ErrWrongGoroutine. Any goroutine.
func (c *Core) MustTask(method string) error {
	if err := c.Check(method); err != nil {
		return err
	}
	if c.current == nil {
		return fmt.Errorf("%s parks and may only be called by a task; start one with Core.Go: %w", method, ErrWrongGoroutine)
	}
	return nil
}
