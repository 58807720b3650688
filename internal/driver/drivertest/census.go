package drivertest

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// census counts what a process can leak.
type census struct {
	fds        int
	goroutines int
}

func takeCensus() census {
	return census{countFDs(), runtime.NumGoroutine()}
}

func countFDs() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(entries)
}

// compare fails the test if there is more now. What io_uring closes may take a moment to go (the ring's
// memory is released by a kernel thread), so it asks again for a while.
func (c census) compare(t testing.TB) {
	t.Helper()
	var now census
	for range 200 {
		if now = takeCensus(); now.fds <= c.fds && now.goroutines <= c.goroutines {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("left behind: %d descriptors, %d goroutines", now.fds-c.fds, now.goroutines-c.goroutines)
}

// mappings counts the driver-made mappings of the process: those that Go's own memory does not name.
func mappings() int {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return -1
	}
	n := 0
	for line := range strings.Lines(string(maps)) {
		if !strings.Contains(line, "[anon: Go") && !strings.Contains(line, "/") || strings.Contains(line, "io_uring") {
			n++
		}
	}
	return n
}
