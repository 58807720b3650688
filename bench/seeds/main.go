// Seeds plays the whole-server simulation for as many seeds as wanted, on all CPUs, with a progress line each second.
// A seed that fails is printed with its replay command and the smallest plan that still fails; the exit code is 1 then.
//
//	go run ./bench/seeds -n 100000
//	go run ./bench/seeds -n 1000000 -from 5000000
//
//	seeds ──▶ simtest.Play, one per CPU ──▶ counts, failures ──▶ a line per second
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/percore/percore/bench/internal/simtest"
)

// tally is what has been played so far.
type tally struct {
	next, played, failed, answers, excused atomic.Uint64
	mu                                     sync.Mutex // the output
}

// failedMax ends a run that fails all the time.
const failedMax = 20

func main() {
	n := flag.Uint64("n", 100_000, "how many seeds")
	from := flag.Uint64("from", 1, "the first one")
	flag.Parse()
	debug.SetGCPercent(800) // the heap is so small that it would be collected all the time
	t := &tally{}
	begin := time.Now()
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() { t.play(*from, *n) })
	}
	over := make(chan struct{})
	go func() { group.Wait(); close(over) }()
	tick := time.NewTicker(time.Second)
	for done := false; !done; {
		select {
		case <-tick.C:
		case <-over:
			done = true
		}
		t.show(*n, time.Since(begin))
	}
	if t.failed.Load() > 0 {
		os.Exit(1)
	}
}

func (t *tally) play(from, n uint64) {
	for t.failed.Load() < failedMax {
		i := t.next.Add(1) - 1
		if i >= n {
			return
		}
		r := simtest.Play(simtest.NewPlan(from+i), false)
		t.played.Add(1)
		t.answers.Add(uint64(r.Answers))
		t.excused.Add(uint64(r.Excused))
		if len(r.Faults) > 0 {
			t.failed.Add(1)
			text := simtest.Explain(from+i, r)
			t.mu.Lock()
			fmt.Print(text)
			t.mu.Unlock()
		}
	}
}

func (t *tally) show(n uint64, since time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	played := t.played.Load()
	fmt.Printf("%5.0fs %d of %d seeds, %.0f a second; %d answers right and whole, %d streams ended early for a reason; %d seeds failed\n",
		since.Seconds(), played, n, float64(played)/since.Seconds(), t.answers.Load(), t.excused.Load(), t.failed.Load())
}
