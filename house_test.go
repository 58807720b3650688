// Package percore_test holds the source to the house rules of ARCHITECTURE.md.
// The rules are in internal/house; the places that may break one are here.
package percore_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/percore/percore/internal/house"
)

// exceptions is the one list of places that may break a rule, each with its
// reason. An entry that no longer excuses anything fails the test.
var exceptions = []house.Exception{
	// the clock and the goroutines of the runtime
	{Rule: "time.Now", Key: "runtime/runtime.go", Why: "the zero point of every core's clock"},
	{Rule: "time.Now", Key: "runtime/manual.go", Why: "the same for a core without a thread"},
	{Rule: "time.Now", Key: "ring/close.go", Why: "a drain comes after the last turn"},
	{Rule: "time.Since", Key: "ring/close.go", Why: "the same"},
	{Rule: "time.Since", Key: "runtime/core.go", Why: "the one reading of the clock, once a turn"},
	{Rule: "time.NewTimer", Key: "runtime/runtime.go", Why: "Stop runs on the caller's goroutine"},
	{Rule: "time.NewTimer", Key: "runtime/metrics.go", Why: "Metrics waits for cores on the caller's goroutine"},
	{Rule: "time.NewTimer", Key: "h2/server_metrics.go", Why: "Metrics waits for cores on the caller's goroutine"},
	{Rule: "time.NewTicker", Key: "runtime/watchdog.go", Why: "the watchdog must run when no core does"},
	{Rule: "go", Key: "runtime/runtime.go", Why: "the goroutine of each core, and of Start's context"},
	{Rule: "go", Key: "runtime/offload.go", Why: "code that blocks runs on ordinary goroutines"},
	{Rule: "go", Key: "runtime/watchdog.go", Why: "the watchdog must run when no core does"},
	{Rule: "go", Key: "tls/handshake_offcore.go", Why: "handshakes with callbacks or foreign keys may block"},
	{Rule: "sync.Mutex", Key: "h2/server.go", Why: "Serve, Shutdown and Close are for any goroutine"},
	// panics that pass on what was not ours
	{Rule: "panic", Key: "runtime/core.go", Why: "a failed driver, or a panic of the loop, with its cause"},
	{Rule: "panic", Key: "runtime/manual.go", Why: "the error of a test's own setup"},
	{Rule: "panic", Key: "runtime/owner.go", Why: "ErrWrongGoroutine, for methods without an error result"},
	{Rule: "panic", Key: "net/errors.go", Why: "ErrWrongGoroutine, for methods without an error result"},
	{Rule: "unsafe", Key: "h2/response.go", Why: "the bytes of a string, read only, for WriteString"},
	{Rule: "unsafe", Key: "internal/deny/deny.go", Why: "the filter program of seccomp(2), for tests"},
	// sleeps of tests that are no synchronisation
	{Rule: "time.Sleep", Key: "internal/leak/leak.go", Why: "between two looks at the process"},
	{Rule: "time.Sleep", Key: "internal/driver/drivertest/census.go", Why: "between two looks at the process"},
	{Rule: "time.Sleep", Key: "internal/driver/drivertest/wake.go", Why: "lets the core fall asleep; both orders are right"},
	{Rule: "time.Sleep", Key: "net/conn_test.go", Why: "a slow reader; between two looks at a counter"},
	{Rule: "time.Sleep", Key: "net/helpers_test.go", Why: "between two looks at the cores"},
	{Rule: "time.Sleep", Key: "net/listen_test.go", Why: "the span in which a spinning accept would show"},
	{Rule: "time.Sleep", Key: "ring/ring_test.go", Why: "between two signals, until one is heard"},
	{Rule: "time.Sleep", Key: "runtime/mailbox_test.go", Why: "between two looks; lets the core fall asleep"},
	{Rule: "time.Sleep", Key: "examples/server/main_test.go", Why: "between two attempts to connect"},
	{Rule: "time.Sleep", Key: "examples/server/routes_test.go", Why: "a slow reader"},
	{Rule: "time.Sleep", Key: "examples/server/nofile_test.go", Why: "between two looks at a child; the span its CPU time is taken over"},
	// the ratchet
	{Rule: "function length", Key: "internal/driver/sim/sim_test.go:TestCloseAndReset", Why: "one story of a connection", Lines: 77},
}

// topLevel is everything the root folder may hold beside dotfiles.
var topLevel = strings.Fields("go.mod go.sum ring runtime net h2 tls examples bench Dockerfile README.md " +
	"internal ARCHITECTURE.md SECURITY.md LICENSE house_test.go")

// TestHouse applies every rule to every file.
func TestHouse(t *testing.T) {
	findings, err := house.Check(".", exceptions)
	if err != nil {
		t.Fatal(err)
	}
	for rule, list := range findings {
		t.Run(rule, func(t *testing.T) {
			for _, finding := range list {
				t.Error(finding)
			}
		})
	}
}

// TestTopLevel keeps the root folder small.
func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) {
			t.Errorf("%s: not one of the entries the root folder may hold (%s)", e.Name(), strings.Join(topLevel, " "))
		}
	}
}

// TestTexts holds the documents to our words and keeps paths of one machine out.
func TestTexts(t *testing.T) {
	for _, name := range []string{"README.md", "ARCHITECTURE.md", "SECURITY.md", "Dockerfile", ".ci/run"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if strings.Contains(string(text), "/wor"+"k/") {
			t.Errorf("%s names a path of one machine", name)
		}
		for _, finding := range house.Words(string(text)) {
			t.Errorf("%s: %s", name, finding)
		}
	}
}
