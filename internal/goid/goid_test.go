package goid

import (
	"iter"
	"testing"
)

func TestGTellsGoroutinesAndCoroutinesApart(t *testing.T) {
	own := G()
	if own == 0 || own != G() {
		t.Fatalf("G is not stable: %#x then %#x", own, G())
	}
	other := make(chan uintptr)
	go func() { other <- G() }()
	if g := <-other; g == own {
		t.Fatal("another goroutine has the same g")
	}
	next, stop := iter.Pull(func(yield func(uintptr) bool) { yield(G()) })
	defer stop()
	if g, _ := next(); g == own {
		t.Fatal("a coroutine has its resumer's g")
	}
}

func BenchmarkG(b *testing.B) {
	for b.Loop() {
		G()
	}
}
