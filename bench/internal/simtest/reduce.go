package simtest

import (
	"fmt"
	"strings"

	"github.com/percore/percore/internal/driver/sim"
)

// reduceMax bounds how many plans Reduce plays.
const reduceMax = 2000

// Reduce leaves out of a failing plan what it fails without: clients, steps, kinds of faults. What it returns still
// fails, not always in the same way.
func Reduce(p Plan) Plan {
	left := reduceMax
	fails := func(q Plan) bool {
		left--
		return left >= 0 && len(Play(q, false).Faults) > 0
	}
	for chunk := len(p.steps); chunk > 0; chunk /= 2 {
		for at := 0; at < len(p.steps); {
			if q := p.without(at, chunk); fails(q) {
				p = q
			} else {
				at += chunk
			}
		}
	}
	for _, f := range p.faultKinds() {
		q := p
		*f(&q.faults) = 0
		if fails(q) {
			p = q
		}
	}
	return p
}

// without is p without n of its steps.
func (p Plan) without(at, n int) Plan {
	p.steps = append(append([]step(nil), p.steps[:at]...), p.steps[min(at+n, len(p.steps)):]...)
	return p
}

func (p Plan) faultKinds() []func(*sim.Faults) *int {
	return []func(*sim.Faults) *int{
		func(f *sim.Faults) *int { return &f.ShortRecv }, func(f *sim.Faults) *int { return &f.ShortSend },
		func(f *sim.Faults) *int { return &f.LostMore }, func(f *sim.Faults) *int { return &f.NoBuffers },
		func(f *sim.Faults) *int { return &f.AcceptErrs }, func(f *sim.Faults) *int { return &f.CancelRace },
		func(f *sim.Faults) *int { return &f.Reorder }, func(f *sim.Faults) *int { return &f.Overflow },
		func(f *sim.Faults) *int { return &f.Delay }, func(f *sim.Faults) *int { return &f.TrySendFull },
		func(f *sim.Faults) *int { return &f.EarlyReturn }, func(f *sim.Faults) *int { return &f.Stale },
		func(f *sim.Faults) *int { return &f.PeerStall }, func(f *sim.Faults) *int { return &f.ClockJump },
	}
}

// names are the acts' in their order.
func (a act) String() string {
	return strings.Fields("get post lines sleep panics early credit settings ping priority reset rest pause bad gone half shutdown " +
		"trailers fields spoil stuffed crowd quick wrong deaf torn farewell table unknown")[a]
}

// String tells a plan to people.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d cores, faults %+v,\n  limits %+v\n", p.Seed, p.cores, p.faults, p.limits)
	for i, c := range p.clients {
		fmt.Fprintf(&b, "  client %d: %+v\n", i, c)
	}
	for _, s := range p.steps {
		fmt.Fprintf(&b, "  client %d: %v %d\n", s.client, s.act, s.n)
	}
	return b.String()
}

// Explain is what to print of a seed that failed: its faults, the command that replays it, the smallest plan that
// still fails and what happens in it.
func Explain(seed uint64, r Result) string {
	var b strings.Builder
	for _, f := range r.Faults {
		fmt.Fprintf(&b, "seed %d: %s\n", seed, f)
	}
	fmt.Fprintf(&b, "replay: go test ./bench/internal/simtest -run TestSeeds -v -seed %d\n", seed)
	small := Reduce(NewPlan(seed))
	fmt.Fprintf(&b, "reduced to %d steps: %v", len(small.steps), small)
	events := Play(small, true).Events
	for _, e := range events[max(0, len(events)-40):] {
		fmt.Fprintln(&b, "   ", e)
	}
	return b.String()
}
