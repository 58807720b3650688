package h2

import (
	"math/rand/v2"
	"testing"
)

// TestInflow plays the example of the type's comment.
func TestInflow(t *testing.T) {
	var f inflow
	f.init(100)
	if !f.take(60) || f.take(41) || f.avail != 40 {
		t.Fatalf("after take: %+v", f)
	}
	if n := f.consume(30); n != 0 {
		t.Fatalf("increment %d below half of the window", n)
	}
	if n := f.consume(25); n != 55 || f.avail != 95 || f.held() != 5 {
		t.Fatalf("increment %d, %+v", n, f)
	}
	mustPanic(t, func() { f.consume(6) })
	mustPanic(t, func() { f.consume(-1) })
	if n := f.raise(300); n != 200 || f.avail != 295 {
		t.Fatalf("increment %d, %+v", n, f)
	}
	if n := f.raise(300); n != 0 {
		t.Fatalf("increment %d for nothing", n)
	}
}

// TestInflowNeverStarves: whatever the order, all octets consumed means at least half of the window is open.
func TestInflowNeverStarves(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var f inflow
		f.init(1 + rnd.IntN(50))
		window := int(f.size) // the peer's view
		for range 50 {
			n := rnd.IntN(window + 2)
			if f.take(n) != (n <= window) {
				t.Fatalf("take(%d) with a window of %d", n, window)
			}
			if n <= window {
				window -= n
			}
			window += int(f.consume(rnd.IntN(f.held() + 1)))
			if window != int(f.avail) || f.avail+f.unsent > f.size || f.avail < 0 {
				t.Fatalf("peer sees %d, %+v", window, f)
			}
		}
		window += int(f.consume(f.held()))
		if 2*window < int(f.size) {
			t.Fatalf("%d of %d open when all is consumed", window, f.size)
		}
	}
}

// TestOutflow plays the example of the type's comment: "A sender MUST track the negative flow-control window"
// (RFC 9113 section 6.9.2).
func TestOutflow(t *testing.T) {
	var f outflow
	f.init(100)
	f.take(80)
	if !f.adjust(-70) || f.n != -50 || f.available() != 0 {
		t.Fatalf("after adjust: %+v", f)
	}
	mustPanic(t, func() { f.take(1) })
	if !f.add(60) || f.available() != 10 {
		t.Fatalf("after add: %+v", f)
	}
	if !f.add(windowMax-10) || f.n != windowMax {
		t.Fatalf("at the maximum: %+v", f)
	}
	if f.add(1) || f.adjust(1) || f.n != windowMax {
		t.Fatalf("above the maximum: %+v", f)
	}
	f.take(windowMax)
	if !f.adjust(-windowMax) || f.n != -windowMax {
		t.Fatalf("at the minimum: %+v", f)
	}
}

func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if recover() == nil {
			t.Error("no panic for a bug of ours")
		}
	}()
	f()
}
