package main

import "fmt"

// What may grow between the first round, which fills pools, and the last.
const (
	growthShare = 0.10
	growthBytes = 4 << 20
)

// judge prints a line for each verdict and reports whether all are good.
func (s *soak) judge() bool {
	before, warm, last := s.quiet[0], s.quiet[1], s.quiet[len(s.quiet)-1]
	fmt.Println()
	for k := range kinds {
		fmt.Printf("%-14s %d times\n", kind(k), s.played[k].Load())
	}
	fmt.Printf("%d answers; the server counted %d requests, %d resets, %d panics\n", s.requests.Load(), last.Requests, last.ResetsIn, last.Panics)
	fmt.Printf("%d receives that the kernel forgot were found\n\n", last.Forgotten)
	good := verdict("answers", s.faults.Load() == 0 && s.requests.Load() > 0, "%d wrong or missing of %d", s.faults.Load(), s.requests.Load())
	for _, text := range s.first {
		fmt.Println("        ", text)
	}
	for _, left := range []struct {
		what        string
		was, is     int
		mayBeBefore int
	}{
		{"connections", int(before.Conns), int(last.Conns), 0},
		{"streams", int(before.Streams), int(last.Streams), 0},
		{"tasks", before.Tasks, last.Tasks, 0},
		{"ops", before.Ops, last.Ops, 0},
		{"residents", before.Residents, last.Residents, 0},
		{"buffers lent", before.Lent, last.Lent, 0},
		{"chunk bytes", before.ChunkBytes, last.ChunkBytes, 0},
		{"starved", before.Starved, last.Starved, 0},
		{"descriptors", before.FDs, last.FDs, 0},
		{"goroutines", warm.Goroutines, last.Goroutines, 2}, // the Go runtime's own come and go
	} {
		good = verdict(left.what, left.is <= left.was+left.mayBeBefore, "%d before, %d at the end", left.was, left.is) && good
	}
	for _, grown := range []struct {
		what    string
		was, is uint64
	}{{"heap", warm.Heap, last.Heap}, {"stacks", warm.Stack, last.Stack}, {"mapped", warm.Mapped, last.Mapped}, {"rss", warm.RSS, last.RSS}} {
		limit := float64(grown.was)*(1+growthShare) + growthBytes
		good = verdict(grown.what, float64(grown.is) <= limit, "%.1f MB after the first round, %.1f MB at the end", mega(grown.was), mega(grown.is)) && good
	}
	return good
}

func verdict(what string, good bool, format string, args ...any) bool {
	word := "ok  "
	if !good {
		word = "FAIL"
	}
	fmt.Printf("%s %-13s %s\n", word, what, fmt.Sprintf(format, args...))
	return good
}
