package simtest

import (
	"fmt"
	"reflect"
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
	for i := len(p.clients) - 1; i >= 0; i-- {
		if q := p.withoutClient(i); fails(q) {
			p = q
		}
	}
	for _, simplify := range simplifications() {
		q := p
		q.clients = append([]clientPlan(nil), p.clients...)
		if simplify(&q); fails(q) {
			p = q
		}
	}
	return p
}

// withoutClient is p without client i and what it does.
func (p Plan) withoutClient(i int) Plan {
	clients, steps := p.clients, p.steps
	p.clients, p.steps = append(append([]clientPlan(nil), clients[:i]...), clients[i+1:]...), nil
	for _, s := range steps {
		if s.client == i && s.act != rest && s.act != pause && s.act != shutdown {
			continue
		}
		if s.client > i || s.client == len(p.clients) && i > 0 {
			s.client--
		}
		p.steps = append(p.steps, s)
	}
	return p
}

// without is p without n of its steps.
func (p Plan) without(at, n int) Plan {
	p.steps = append(append([]step(nil), p.steps[:at]...), p.steps[min(at+n, len(p.steps)):]...)
	return p
}

// simplifications are what Reduce tries after steps and clients, one by one.
func simplifications() (all []func(*Plan)) {
	for i := range reflect.TypeFor[sim.Faults]().NumField() {
		all = append(all, func(p *Plan) { reflect.ValueOf(&p.faults).Elem().Field(i).SetInt(0) })
	}
	each := func(change func(*clientPlan)) {
		all = append(all, func(p *Plan) {
			for i := range p.clients {
				change(&p.clients[i])
			}
		})
	}
	each(func(c *clientPlan) { c.secure, c.old = false, false })
	each(func(c *clientPlan) { c.padded, c.split, c.bytewise = false, false, false })
	each(func(c *clientPlan) { c.lazy = false })
	each(func(c *clientPlan) { c.window = 65535 })
	return append(all,
		func(p *Plan) { p.cores = 1 },
		func(p *Plan) { p.surplus, p.conns = 0, 0 },
		func(p *Plan) { p.limits.RepliesMax, p.limits.FramesTurnMax, p.limits.BytesTurnMax = 1000, 64, 64<<10 },
		func(p *Plan) { p.limits.StreamsMax = 100 },
		func(p *Plan) { p.limits.StreamWindowMax, p.limits.ConnWindowMax = 9000, 1<<20 })
}

// names are the acts' in their order.
func (a act) String() string {
	return strings.Fields("get post lines sleep panics early credit settings ping priority reset rest pause bad gone half shutdown " +
		"trailers fields spoil stuffed crowd quick wrong deaf torn farewell table again unknown")[a]
}

// String tells a plan to people.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d cores, SurplusMax %d, ConnsMax %d,\n  faults %+v,\n  limits %+v\n",
		p.Seed, p.cores, p.surplus, p.conns, p.faults, p.limits)
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
