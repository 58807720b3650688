package coreruntime

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrStopped says that the runtime or core is stopping or gone; nothing more can be started on it.
	ErrStopped = errors.New("percore: the runtime is stopped")
	// ErrWrongGoroutine says that a core-only method was called from a goroutine that is neither the
	// core's loop nor its running task.
	ErrWrongGoroutine = errors.New("percore: called from the wrong goroutine")
	// ErrGoexit is the result of a task that ended by runtime.Goexit (testing.T.FailNow, or a task that
	// still parked after the drain deadline).
	ErrGoexit = errors.New("percore: the task ended by runtime.Goexit")
	// ErrTimeout is what a parked call returns when WithTimeout ran out; it wraps
	// context.DeadlineExceeded.
	ErrTimeout = fmt.Errorf("percore: the task took too long: %w", context.DeadlineExceeded)
	// errStopping is the cause of the cancel that Stop sends to all tasks.
	errStopping = fmt.Errorf("%w: %w", ErrStopped, context.Canceled)
	// ErrTaskCanceled is the default cause of Task.Cancel; errors.Is(err, context.Canceled) holds.
	ErrTaskCanceled = fmt.Errorf("percore: task canceled: %w", context.Canceled)
)

// PanicError is the result of a task that panicked.
type PanicError struct {
	Task  string
	Value any    // what panic was called with
	Stack []byte // the task's stack at the panic
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("percore: task %q panicked: %v", e.Task, e.Value)
}

// Unwrap returns the panic value when it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// StuckError is what Stop returns when a core cannot be stopped, because a task on it neither parks nor
// returns.
type StuckError struct {
	Core  int
	Task  string // empty: the loop itself
	State string // the goroutine's state as the Go runtime names it
	Stack string
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("percore: core %d does not stop: task %q (%s) neither parks nor returns; it must end by itself\n%s",
		e.Core, e.Task, e.State, e.Stack)
}

// Is lets errors.Is(err, context.DeadlineExceeded) recognise a Stop that ran out of time.
func (e *StuckError) Is(target error) bool { return target == context.DeadlineExceeded }
