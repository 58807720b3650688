package coretls

import (
	"slices"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/runtime"
)

type testApplicant struct {
	ticket
	id    int
	begun *[]int
}

func (a *testApplicant) begin() { *a.begun = append(*a.begun, a.id) }

// Two a turn, three in flight, the rest in order of arrival; one that leaves
// the queue does not take a place.
func TestGovernor(t *testing.T) {
	core := coreruntime.NewManual(coreruntime.Config{}, sim.New(1).Driver(0, sim.Config{}))
	defer core.CloseManual()
	g := &governor{core: core, limits: Limits{HandshakesPerTurnMax: 2, HandshakesInFlightMax: 3}}
	var begun []int
	var all []*testApplicant
	now := time.Millisecond
	core.Turn(now)
	expect := func(what string, want ...int) {
		t.Helper()
		if !slices.Equal(begun, want) {
			t.Fatalf("%s: begun %v, want %v", what, begun, want)
		}
	}
	turn := func() {
		now += time.Millisecond
		core.Turn(now)
	}
	for id := range 7 {
		a := &testApplicant{id: id, begun: &begun}
		all = append(all, a)
		g.ask(a)
	}
	expect("the first turn", 0, 1)
	turn()
	expect("the second turn", 0, 1, 2)
	turn()
	expect("all places taken", 0, 1, 2)
	g.leave(all[4]) // from the middle of the queue
	g.leave(all[1])
	expect("a place is free", 0, 1, 2, 3)
	g.leave(all[0])
	g.leave(all[2])
	g.leave(all[3])
	expect("two a turn", 0, 1, 2, 3, 5)
	turn()
	expect("the next turn", 0, 1, 2, 3, 5, 6)
	for _, a := range all {
		g.leave(a)
	}
	if g.inFlight != 0 || g.head != nil || g.tail != nil {
		t.Fatalf("left over: %d in flight, queue %v", g.inFlight, g.head)
	}
	g.ask(all[0]) // a ticket can be used again
	if all[0].state != ticketGranted && all[0].state != ticketWaiting {
		t.Fatal("the ticket was not taken again")
	}
}

func TestGovernorLogsOnceASecond(t *testing.T) {
	g := &governor{}
	logged := 0
	for ms := range 3000 {
		if n, ok := g.mayLog(time.Duration(ms+1) * time.Millisecond); ok {
			logged++
			if logged > 1 && n != 999 {
				t.Fatalf("line %d says %d were not logged, want 999", logged, n)
			}
		}
	}
	if logged != 3 {
		t.Fatalf("%d lines in 3 seconds", logged)
	}
}
