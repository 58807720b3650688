package suite_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/percore/percore/bench/internal/suite"
)

// skips are what the sample skips.
var skips = map[string]int{"needs IPv6: bring lo up": 1, "needs io_uring: allow it": 1}

const sample = `=== RUN   TestA
--- PASS: TestA (0.50s)
=== RUN   TestB
=== RUN   TestB/uring
    b_test.go:12: needs io_uring: allow it
=== RUN   TestB/epoll
    b_test.go:30: got 1, want 2
--- FAIL: TestB (1.25s)
    --- SKIP: TestB/uring (0.00s)
    --- FAIL: TestB/epoll (1.00s)
=== RUN   TestC
    c_test.go:7: needs IPv6: bring lo up
--- SKIP: TestC (0.00s)
=== RUN   TestD
panic: a nil map
`

// TestCounter feeds the output whole and split at every byte.
func TestCounter(t *testing.T) {
	for split := range sample {
		var c suite.Counter
		c.Write([]byte(sample[:split]))
		c.Write([]byte(sample[split:]))
		r := c.Result(errors.New("exit status 2"))
		slow := []suite.Test{{"TestB", 1250 * time.Millisecond}, {"TestA", 500 * time.Millisecond}, {"TestC", 0}}
		if r.OK || r.Tests != 5 || !reflect.DeepEqual(r.Slow, slow) || !reflect.DeepEqual(r.Skips, skips) {
			t.Fatalf("split at %d: %+v", split, r)
		}
		for _, want := range []string{"got 1, want 2", "a nil map", "exit status 2"} {
			if !strings.Contains(r.Output, want) {
				t.Fatalf("split at %d: the output lacks %q:\n%s", split, want, r.Output)
			}
		}
		if strings.Contains(r.Output, "TestA") || strings.Contains(r.Output, "TestC") {
			t.Fatalf("split at %d: the output tells of tests that did not fail:\n%s", split, r.Output)
		}
	}
}

func TestNothingRan(t *testing.T) {
	var c suite.Counter
	c.Write([]byte("testing: warning: no tests to run\nPASS\n"))
	if r := c.Result(nil); r.OK || r.Output == "" {
		t.Fatalf("a run without tests is no success: %+v", r)
	}
}
