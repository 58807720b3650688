package emulate

import (
	"testing"

	"github.com/percore/percore/internal/driver"
)

func TestGroup(t *testing.T) {
	for _, mem := range []Memory{Mapped, Heap} {
		g, err := NewGroup(mem, 100, 4, 10)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[int32]bool)
		takeAll := func(want int) {
			t.Helper()
			for bid, ok := g.Take(); ok; bid, ok = g.Take() {
				if seen[bid] {
					t.Fatalf("buffer %d lent twice", bid)
				}
				seen[bid] = true
				buf := g.Buffer(bid)
				if len(buf) != 100 || cap(buf) != 100 {
					t.Fatalf("buffer %d has length %d, capacity %d", bid, len(buf), cap(buf))
				}
				for i := range buf {
					buf[i] = byte(bid)
				}
			}
			if len(seen) != want || g.Lent() != want {
				t.Fatalf("lent %d (Lent %d), want %d", len(seen), g.Lent(), want)
			}
		}
		takeAll(4)
		for _, want := range []int{8, 10, 10} { // the last chunk is short, then the cap holds
			if n := g.Grow(); n != want || g.Len() != want || g.Bytes() != 100*want {
				t.Fatalf("Grow = %d, Len %d, Bytes %d; want %d buffers", n, g.Len(), g.Bytes(), want)
			}
			takeAll(want)
		}
		for bid := range seen { // no two buffers overlap
			for _, b := range g.Buffer(bid) {
				if b != byte(bid) {
					t.Fatalf("buffer %d was overwritten by %d", bid, b)
				}
			}
			g.Recycle(bid)
		}
		g.Take()
		if err := g.Free(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGroupIsLIFO(t *testing.T) {
	g, _ := NewGroup(Heap, 1, 4, 4)
	a, _ := g.Take()
	b, _ := g.Take()
	g.Recycle(a)
	g.Recycle(b)
	if next, _ := g.Take(); next != b {
		t.Errorf("took %d after recycling %d then %d", next, a, b)
	}
}

func TestGroupRefuses(t *testing.T) {
	for _, c := range [][3]int{{0, 1, 1}, {1, 0, 1}, {1, 2, 1}} {
		if _, err := NewGroup(Mapped, c[0], c[1], c[2]); err == nil {
			t.Errorf("NewGroup(%v) made a group", c)
		}
	}
	g, _ := NewGroup(Heap, 1, 2, 2)
	bid, _ := g.Take()
	g.Recycle(bid)
	for _, wrong := range []int32{bid, -1, 2} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Recycle(%d) of a buffer that is not lent did not panic", wrong)
				}
			}()
			g.Recycle(wrong)
		}()
	}
}

// The queue keeps order over wrap-around and growth.
func TestQueue(t *testing.T) {
	var q Queue
	out := make([]driver.Completion, 7)
	next, want := int32(0), int32(0)
	for round := range 300 {
		for range round % 13 {
			q.Push(driver.Completion{Res: next})
			next++
		}
		for _, c := range out[:q.Pop(out[:round%8])] {
			if c.Res != want {
				t.Fatalf("popped %d, want %d", c.Res, want)
			}
			want++
		}
		if q.Len() != int(next-want) {
			t.Fatalf("Len = %d, want %d", q.Len(), next-want)
		}
	}
	if q.Len() <= queueMin {
		t.Fatalf("only %d wait: the queue never grew", q.Len())
	}
}
