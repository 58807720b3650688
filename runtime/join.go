package coreruntime

// Join is the handle of a task with a result.
type Join[T any] struct {
	Task *Task
	v    T
}

// Spawn starts fn as a task of c and returns the handle to wait for its result. Core only.
func Spawn[T any](c *Core, name string, fn func() (T, error)) *Join[T] {
	c.must("Spawn")
	j := &Join[T]{}
	t := &Task{}
	t.run = &runErrFunc{t: t, fn: func() (err error) {
		j.v, err = fn()
		return err
	}}
	c.admitTask(t, name)
	j.Task = t
	return j
}

// Wait parks the calling task until fn has returned, and returns what it returned; the error may also be
// one of Task.Wait. A task of the same core only.
func (j *Join[T]) Wait() (T, error) {
	if err := j.Task.Wait(); err != nil {
		var zero T
		if j.Task.ended {
			return j.v, err
		}
		return zero, err
	}
	return j.v, nil
}
