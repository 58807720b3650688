package ring

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/deny"
)

// A kernel that refuses every entry for want of memory is given the time it was promised, and what ended meanwhile is
// seen all the same.
func TestDrainWithoutMemory(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.ENOMEM} {
		result := make(chan func(), 1)
		go func() {
			runtime.LockOSThread() // and never unlocked: the filtered thread dies with this goroutine
			result <- drainWithoutMemory(t, errno)
		}()
		(<-result)()
	}
}

// drainWithoutMemory returns what to say of it on the test's own goroutine.
func drainWithoutMemory(t *testing.T, refusal unix.Errno) func() {
	const quietMax, token = 100 * time.Millisecond, 7
	r, err := Open(Config{})
	if err != nil {
		return func() { t.Skipf("needs io_uring: %v", err) }
	}
	defer r.release() // Close would wait for what the filter keeps from ending
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return func() { t.Fatal(err) }
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	r.NextSQE().PrepPollMulti(int32(fds[0]), token)
	r.Submit()
	if err := deny.Entries(refusal); err != nil {
		return func() { t.Fatal(err) }
	}
	unix.Write(fds[1], []byte("x"))
	seen, begin := 0, time.Now()
	err = r.Drain(quietMax, func(c CQE) {
		if c.UserData == token {
			seen++
		}
	})
	took := time.Since(begin)
	return func() {
		if !errors.Is(err, unix.ETIMEDOUT) || seen != 1 || took < quietMax {
			t.Errorf("%v: %v after %v with %d completions, want %v of patience and one", refusal, err, took, seen, quietMax)
		}
	}
}
