package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/percore/percore/bench/internal/suite"
)

// report prints results as they come; machines may run side by side.
type report struct {
	mu      sync.Mutex
	want    int // suites per machine
	begin   time.Time
	verbose bool
	results map[string][]suite.Result
}

func newReport(want int, verbose bool) *report {
	return &report{want: want, begin: time.Now(), verbose: verbose, results: map[string][]suite.Result{}}
}

func (r *report) hello(series string, h suite.Hello) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Printf("%-6s kernel %s, up after %.0f s%s\n", series, h.Kernel, time.Since(r.begin).Seconds(), disabled(h.Uring))
}

// again forgets what a machine reported: it boots a second time.
func (r *report) again(series string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.results, series)
	fmt.Printf("%-6s the emulator broke the kernel's code while it was patched: booting again\n", series)
}

func disabled(sysctl string) string {
	if sysctl == "" || sysctl == "0" {
		return ""
	}
	return ", kernel.io_uring_disabled = " + sysctl
}

func (r *report) add(series string, s suite.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[series] = append(r.results[series], s)
	skipped := 0
	for _, n := range s.Skips {
		skipped += n
	}
	fmt.Printf("%-6s %-4s %-23s %4d tests, %3d skipped, %6.1f s\n", series, verdict(s.OK), s.Name, s.Tests, skipped, s.Seconds)
	if r.verbose {
		for _, t := range s.Slow {
			fmt.Printf("%-6s      %8.1f s %s\n", series, t.Took.Seconds(), t.Name)
		}
	}
	if s.Output != "" {
		fmt.Printf("%s\n", strings.TrimRight(s.Output, "\n"))
	}
}

func verdict(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAIL"
}

func (r *report) complete(series string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.results[series]) == r.want
}

// end prints the skips by reason and one line per machine, and tells how many suites failed.
func (r *report) end() (failed int) {
	for _, series := range slices.Sorted(maps.Keys(r.results)) {
		tests, skips, reasons := 0, 0, map[string]int{}
		for _, s := range r.results[series] {
			tests += s.Tests
			if !s.OK {
				failed++
			}
			for why, n := range s.Skips {
				reasons[why] += n
				skips += n
			}
		}
		for _, why := range slices.Sorted(maps.Keys(reasons)) {
			fmt.Printf("%-6s skipped %3d: %s\n", series, reasons[why], why)
		}
		fmt.Printf("%-6s %d suites, %d tests, %d skipped\n", series, len(r.results[series]), tests, skips)
	}
	fmt.Printf("%.0f s\n", time.Since(r.begin).Seconds())
	return failed
}
