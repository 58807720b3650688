package suite

import (
	"context"
	"os/exec"
	"strconv"
	"time"
)

// Suite is one test binary and how to run it.
type Suite struct {
	Name    string   // the package's folder: "internal/driver/uring"
	Command []string // the binary, perhaps behind an emulator
	Dir     string   // where it runs, so that it finds its testdata
	Skip    string   // for -test.skip: "" or a regular expression
	Only    string   // for -test.run: "" or a regular expression; Output then holds everything that was said
	Count   int      // for -test.count, if Only is set
	Timeout time.Duration
}

// Result is what became of a Suite.
type Result struct {
	Name    string
	OK      bool
	Tests   int            // with subtests, skipped ones included
	Skips   map[string]int // reason -> number of tests
	Slow    []Test         // the slowest, slowest first
	Seconds float64
	Output  string // of what failed, or of all if asked so
}

// killAfter is how much longer than its own timeout a binary may live: time to print its stacks.
const killAfter = 15 * time.Second

// Run runs s and waits for it; ctx ends it early.
func Run(ctx context.Context, s Suite) Result {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout+killAfter)
	defer cancel()
	args := append(s.Command[1:len(s.Command):len(s.Command)], "-test.short", "-test.v", "-test.timeout="+s.Timeout.String())
	if s.Skip != "" {
		args = append(args, "-test.skip="+s.Skip)
	}
	if s.Only != "" {
		args = append(args, "-test.run="+s.Only, "-test.count="+strconv.Itoa(s.Count))
	}
	c := Counter{all: s.Only != ""}
	cmd := exec.CommandContext(ctx, s.Command[0], args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, &c, &c
	cmd.WaitDelay = time.Second // a child of a killed binary may still hold the pipe
	begin := time.Now()
	err := cmd.Run()
	r := c.Result(err)
	r.Name, r.Seconds = s.Name, time.Since(begin).Seconds()
	return r
}
