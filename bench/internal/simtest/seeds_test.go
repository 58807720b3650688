package simtest

import (
	"flag"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver/sim"
)

var (
	seedFlag = flag.Uint64("seed", 0, "replay one seed of TestSeeds and show its events")
	seconds  = flag.Int("seconds", 0, "how long TestRandomSeeds tries seeds that nobody has tried")
)

// TestSeeds plays whole servers. A seed that fails is printed with the smallest plan that still fails.
func TestSeeds(t *testing.T) {
	if *seedFlag != 0 {
		r := Play(NewPlan(*seedFlag), true)
		for _, e := range r.Events {
			t.Log(e)
		}
		report(t, *seedFlag, r)
		return
	}
	answers := 0
	for seed := uint64(1); seed <= fixedSeeds; seed++ {
		r := Play(NewPlan(seed), false)
		report(t, seed, r)
		answers += r.Answers
	}
	if answers < 5*fixedSeeds {
		t.Errorf("%d answers to %d seeds: the plans are of no use", answers, fixedSeeds)
	}
}

// TestRandomSeeds plays seeds that follow from the clock, for -seconds.
func TestRandomSeeds(t *testing.T) {
	first := uint64(time.Now().UnixNano())
	end := time.Now().Add(time.Duration(*seconds) * time.Second)
	n := uint64(0)
	for ; time.Now().Before(end); n++ {
		report(t, first+n, Play(NewPlan(first+n), false))
	}
	t.Logf("%d seeds from %d on", n, first)
}

// TestReplay plays seeds twice: every event must be the same.
func TestReplay(t *testing.T) {
	for seed := uint64(1); seed <= fixedSeeds/10; seed++ {
		a, b := Play(NewPlan(seed), true), Play(NewPlan(seed), true)
		if a.Hash == b.Hash {
			continue
		}
		for i := range a.Events {
			if i >= len(b.Events) || a.Events[i] != b.Events[i] {
				t.Fatalf("seed %d does not replay: event %d is %q, then %q", seed, i, a.Events[i], b.Events[min(i, len(b.Events)-1)])
			}
		}
	}
}

func report(t *testing.T, seed uint64, r Result) {
	t.Helper()
	if len(r.Faults) > 0 {
		t.Fatal("\n" + Explain(seed, r))
	}
}

// Reduce finds the one step that matters: here a frame that ends a connection which the model takes for a good one.
func TestReduce(t *testing.T) {
	p := NewPlan(1)
	p.faults.ClockJump = 0 // the model then excuses much
	p.clients = []clientPlan{{window: 1 << 20}, {window: 1 << 20, lazy: true}, {window: 1 << 20}}
	p.steps = nil
	for i := range 30 {
		p.steps = append(p.steps, step{client: i % 3, act: act(i % int(ping)), n: i})
	}
	p.steps[17] = step{client: 1, act: unknown}
	if r := Play(p, false); len(r.Faults) == 0 {
		t.Fatal("the plan does not fail")
	}
	if small := Reduce(p); len(small.steps) != 1 || small.steps[0].act != unknown || len(small.clients) != 1 || (small.faults != sim.Faults{}) {
		t.Errorf("reduced to %v", small)
	}
}
