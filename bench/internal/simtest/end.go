package simtest

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/percore/percore/internal/driver/sim"
)

// finish gives all streams the time and the credit to end.
func (p *play) finish() {
	for _, c := range p.clients {
		c.lazy = false
		if !c.over && !c.ended && !c.stranger {
			c.widen(1 << 16)
			c.credit()
		}
	}
	moved, waits := 0, 0
	for n := 0; !p.done(); n++ {
		for _, c := range p.clients {
			c.goOn()
		}
		p.round()
		if n%10 == 9 {
			p.pass(5 * time.Millisecond)
		}
		if now := p.moved(); now != moved {
			moved, n = now, 0
		}
		switch {
		case n > roundsMax && p.makeRoom():
			n = 0
		case n > roundsMax && waits < clientsMax && p.onlyEnded(): // a client that has ended its direction gives no credit: time must end that
			waits, n = waits+1, 0
			p.pass(stallMax)
		case n > roundsMax:
			p.tellOpen()
			return
		}
	}
}

func (p *play) done() bool {
	for _, c := range p.clients {
		if !c.done() {
			return false
		}
	}
	return true
}

// makeRoom lets a client leave that has all it wants, if another one waits in the backlog for a place, and reports
// whether there is one.
func (p *play) makeRoom() bool {
	if p.plan.conns == 0 || !slices.ContainsFunc(p.clients, func(c *client) bool { return !c.heard && !c.over }) {
		return false
	}
	for _, c := range p.clients {
		if c.done() && !c.over {
			c.p.note("client %d leaves", c.id)
			c.over, c.tube.closed = true, true
			c.tube.peer.Close()
			return true
		}
	}
	return false
}

// onlyEnded reports whether all clients that are not done have ended their direction, or wait until others end.
func (p *play) onlyEnded() bool {
	for _, c := range p.clients {
		if !c.done() && !c.ended && !(p.plan.conns > 0 && !c.heard) {
			return false
		}
	}
	return true
}

// moved counts the bytes that the clients have sent and received.
func (p *play) moved() (n int) {
	for _, c := range p.clients {
		n += c.tube.moved
	}
	return n
}

func (p *play) tellOpen() {
	for _, c := range p.clients {
		if c.done() {
			continue
		}
		p.fault("client %d does not come to its end: over %v, GOAWAY %v, wantEnd %v, excuse %q", c.id, c.over, c.goaway, c.wantEnd, c.excuse)
		for _, s := range c.order {
			if !s.over() {
				s.fault("still open: fields %v, %d bytes of body, sent %d of %d; windows: ours %d, the connection's %d",
					s.fields, s.got, s.sent, s.n, s.room, c.room)
			}
		}
	}
}

// close ends the server and looks at what is left.
func (p *play) close() {
	p.world.SetFaults(sim.Faults{})
	for _, c := range p.clients {
		for _, s := range c.order {
			p.result.Requests++
			if s.ended {
				p.result.Answers++
			} else {
				p.result.Excused++
			}
		}
		if !c.over {
			c.over, c.tube.closed = true, true
			c.tube.peer.Close()
		}
		if c.shake != nil {
			c.shake.stop()
		}
	}
	p.settle()
	if p.shut {
		p.await("Shutdown", func() error { return p.server.Shutdown(context.Background()) })
	}
	p.await("Close", p.server.Close)
	p.await("Serve", func() error { return <-p.served })
	if n := p.tasksLeft(); n > 0 {
		p.fault("%d tasks do not end", n) // CloseManual would end them by Goexit, and with them this goroutine
		return
	}
	m := p.server.Metrics()
	p.account(&m)
	for i, c := range p.cores {
		if err := c.CloseManual(); err != nil {
			p.fault("core %d: %v", i, err)
		}
	}
	if n := p.world.OpenFDs(); n != 0 {
		p.fault("%d descriptors are left open", n)
	}
}

// tasksLeft lets canceled handlers finish and returns how many do not.
func (p *play) tasksLeft() (n int) {
	for range 200 {
		n = 0
		for _, c := range p.cores {
			n += c.Snapshot().Tasks
		}
		if n == 0 {
			return 0
		}
		p.pass(10 * time.Millisecond)
	}
	return n
}

// await turns the cores until a call on a goroutine returns. Nothing is noted any more: its order is not ours.
func (p *play) await(what string, call func() error) {
	done := make(chan error, 1)
	go func() { done <- call() }()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); runtime.Gosched() {
		select {
		case <-done:
			return
		default:
			p.now += time.Millisecond
			p.world.Advance(time.Millisecond)
			for i := range p.restive {
				p.restive[i] = true
			}
			p.turn()
		}
	}
	panic(what + " does not return")
}
