package leak

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"testing"
	"time"
)

const (
	// settleMax is how long goroutines and descriptors get to go away after the test.
	settleMax  = 5 * time.Second
	settleStep = 2 * time.Millisecond
)

// Check notes goroutines and descriptors now and compares when t has ended.
func Check(t testing.TB) {
	t.Helper()
	fds, goroutines := openFDs(), runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(settleMax)
		for {
			report := compare(fds, goroutines)
			if report == "" || t.Failed() {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("leak: %s", report)
				return
			}
			time.Sleep(settleStep)
		}
	})
}

// compare describes what is there beyond the given, "" if nothing is.
func compare(fds map[string]string, goroutines int) string {
	var out strings.Builder
	for fd, target := range openFDs() {
		if old, ok := fds[fd]; !ok || old != target {
			fmt.Fprintf(&out, "descriptor %s -> %s\n", fd, target)
		}
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		fmt.Fprintf(&out, "%d goroutines, %d before:\n%s", n, goroutines, stacks())
	}
	return out.String()
}

// openFDs lists the process's descriptors, except the one that lists them.
func openFDs() map[string]string {
	startPoller()
	out := make(map[string]string)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return out
	}
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil {
			out[e.Name()] = target
		}
	}
	return out
}

// startPoller makes the standard library open its poller's descriptors, which stay for good and would
// otherwise be charged to the first test that uses them.
func startPoller() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

func stacks() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	parts := strings.Split(string(buf), "\n\n")
	sort.Strings(parts)
	return strings.Join(parts, "\n\n")
}
