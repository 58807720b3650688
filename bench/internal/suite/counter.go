package suite

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Test is the time of one top-level test.
type Test struct {
	Name string
	Took time.Duration
}

const (
	slowMax   = 5
	blockMax  = 16 << 10 // kept of the output of one test
	outputMax = 64 << 10 // kept of all failed tests
)

// Counter is an io.Writer for the output of a test binary run with -test.v. The zero Counter is ready.
type Counter struct {
	all    bool              // keep the output of tests that pass, too
	rest   []byte            // a line without its end
	block  []byte            // what the current top-level test said so far
	failed []byte            // the blocks of failed tests
	name   string            // of the test that speaks now
	said   map[string]string // test -> its last message: the reason if it skips; verdicts of subtests come late
	tests  int
	skips  map[string]int
	slow   []Test
}

// verdict is how testing ends a test's output; a subtest is indented.
var verdict = regexp.MustCompile(`^( *)--- (PASS|FAIL|SKIP): (\S+) \(([0-9.]+)s\)$`)

// message is a line of t.Log, t.Skip or t.Error.
var message = regexp.MustCompile(`^ +\w+\.go:\d+: (.*)$`)

// Write takes any part of the output.
func (c *Counter) Write(p []byte) (int, error) {
	c.rest = append(c.rest, p...)
	for {
		line, rest, ok := bytes.Cut(c.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		c.line(string(line))
		c.rest = rest
	}
}

// turn is how testing says which test speaks from here on.
var turn = regexp.MustCompile(`^=== (RUN|CONT|NAME) +(\S+)$`)

func (c *Counter) line(s string) {
	c.keep(s)
	if m := turn.FindStringSubmatch(s); m != nil {
		c.name = m[2]
	} else if m := message.FindStringSubmatch(s); m != nil {
		if c.said == nil {
			c.said = map[string]string{}
		}
		c.said[c.name] = m[1]
	}
	v := verdict.FindStringSubmatch(s)
	if v == nil {
		return
	}
	c.tests++
	if v[2] == "SKIP" {
		if c.skips == nil {
			c.skips = map[string]int{}
		}
		c.skips[c.said[v[3]]]++
	}
	if v[1] == "" {
		c.end(v[2], v[3], v[4])
	}
}

// keep adds a line to the current test's block and forgets the oldest ones of a talkative test.
func (c *Counter) keep(s string) {
	if strings.HasPrefix(s, "=== ") && !strings.HasPrefix(s, "=== RUN") {
		return
	}
	c.block = append(append(c.block, s...), '\n')
	if over := len(c.block) - blockMax; over > 0 {
		c.block = c.block[over:]
	}
}

// end closes the block of a top-level test.
func (c *Counter) end(how, name, seconds string) {
	if (how == "FAIL" || c.all) && len(c.failed) < outputMax {
		c.failed = append(c.failed, c.block...)
	}
	c.block = nil
	took, _ := strconv.ParseFloat(seconds, 64)
	c.slow = append(c.slow, Test{name, time.Duration(took * float64(time.Second))})
	slices.SortStableFunc(c.slow, func(a, b Test) int { return cmp.Compare(b.Took, a.Took) })
	c.slow = c.slow[:min(len(c.slow), slowMax)]
}

// Result is the account so far of a binary that ended with err. A binary that ran no test has failed: a wrong
// -test.skip must not look like success.
func (c *Counter) Result(err error) Result {
	c.keep(string(c.rest))
	r := Result{OK: err == nil && c.tests > 0, Tests: c.tests, Skips: c.skips, Slow: c.slow}
	switch {
	case err != nil:
		r.Output = string(c.failed) + string(c.block) + err.Error()
	case c.all:
		r.Output = string(c.failed) + string(c.block)
	case c.tests == 0:
		r.Output = "no test ran"
	}
	return r
}
