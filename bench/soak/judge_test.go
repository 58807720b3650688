package main

import (
	"io"
	"testing"
)

// Each kind of loss spoils the verdict on its own.
func TestJudge(t *testing.T) {
	for name, spoil := range map[string]func(s *soak, last *usage){
		"":             func(*soak, *usage) {},
		"fault":        func(s *soak, _ *usage) { s.fault(polite, io.EOF) },
		"no answers":   func(s *soak, _ *usage) { s.requests.Store(0) },
		"stream":       func(_ *soak, u *usage) { u.Streams++ },
		"connection":   func(_ *soak, u *usage) { u.Conns++ },
		"task":         func(_ *soak, u *usage) { u.Tasks++ },
		"op":           func(_ *soak, u *usage) { u.Ops++ },
		"resident":     func(_ *soak, u *usage) { u.Residents++ },
		"buffer":       func(_ *soak, u *usage) { u.Lent++ },
		"chunk":        func(_ *soak, u *usage) { u.ChunkBytes++ },
		"starved":      func(_ *soak, u *usage) { u.Starved++ },
		"descriptor":   func(_ *soak, u *usage) { u.FDs++ },
		"goroutine":    func(_ *soak, u *usage) { u.Goroutines += 3 },
		"heap":         func(_ *soak, u *usage) { u.Heap += 5 << 20 },
		"stacks":       func(_ *soak, u *usage) { u.Stack += 5 << 20 },
		"mapped":       func(_ *soak, u *usage) { u.Mapped += 5 << 20 },
		"resident set": func(_ *soak, u *usage) { u.RSS += 20 << 20 },
	} {
		t.Run(name, func(t *testing.T) {
			s := &soak{quiet: make([]usage, 3)}
			for i := range s.quiet {
				s.quiet[i] = usage{Heap: 1 << 20, RSS: 10 << 20, Goroutines: 7, FDs: 9, Ops: 4}
			}
			s.requests.Store(1)
			spoil(s, &s.quiet[2])
			if good := s.judge(); good != (name == "") {
				t.Errorf("judged %v", good)
			}
		})
	}
}
