package measure

import (
	"errors"
	"os"
	"testing"
	"time"
)

func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want Figure
	}{
		{[]float64{3}, Figure{3, 3, 3}}, {[]float64{4, 2}, Figure{3, 2, 4}}, {[]float64{9, 1, 2}, Figure{2, 1, 9}},
	} {
		if got := Summarize(c.in); got != c.want {
			t.Errorf("%v: %v, want %v", c.in, got, c.want)
		}
	}
}

// TestPairInterleaves: who goes first changes, and each value lands with its contender.
func TestPairInterleaves(t *testing.T) {
	order := ""
	var p Pair
	a := func() (float64, error) { order += "a"; return 1, nil }
	b := func() (float64, error) { order += "b"; return 2, nil }
	if err := p.Run(3, a, b); err != nil {
		t.Fatal(err)
	}
	if order != "abbaab" || p.Ratio() != (Figure{2, 2, 2}) {
		t.Errorf("order %s, ratio %v", order, p.Ratio())
	}
	want := errors.New("broken")
	if err := p.Run(1, a, func() (float64, error) { return 0, want }); err != want {
		t.Errorf("the error came back as %v", err)
	}
}

// TestCPU: the clock of a process moves with its work.
func TestCPU(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); time.Since(begin) < 30*time.Millisecond; {
	}
	after, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used := after - before; used < 5*time.Millisecond || used > 10*time.Second {
		t.Errorf("30 ms of spinning cost %v", used)
	}
}

// Split's parts add up to CPU, within the ticks that it counts in.
func TestSplit(t *testing.T) {
	pid := os.Getpid()
	whole, err := CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	user, kernel, err := Split(pid)
	if err != nil {
		t.Fatal(err)
	}
	if diff := user + kernel - whole; diff < -50*time.Millisecond || diff > 50*time.Millisecond {
		t.Errorf("%v user, %v kernel, %v in all", user, kernel, whole)
	}
}
