package corenet_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// busiestMax is how much of the mean the busiest core may have.
const busiestMax = 1.2

var never = corenet.ListenConfig{SurplusMax: -1}

// A group whose members are chosen by dice, as by a hash: rebalanced it is even whether there are many
// connections or few, and it is the rebalancing that makes it so.
func TestRebalanceADice(t *testing.T) {
	for _, conns := range []int{64, 2000} {
		for seed := uint64(1); seed <= 3; seed++ {
			t.Run(fmt.Sprint(conns, " connections, seed ", seed), func(t *testing.T) {
				_, plain := spread(t, seed, never, conns)
				moved, high := spread(t, seed, corenet.ListenConfig{}, conns)
				t.Logf("busiest core: %.2f of the mean, %.2f without rebalancing; %d moved", high, plain, moved)
				limit := busiestMax
				if conns < 100 {
					limit = 1.25 // the mean is 8, and 2 more are left alone
				}
				if high > limit || high >= plain {
					t.Errorf("the busiest core has %.2f of the mean, %.2f without rebalancing", high, plain)
				}
			})
		}
	}
}

// spread serves conns connections on eight cores.
func spread(t *testing.T, seed uint64, lc corenet.ListenConfig, conns int) (moved uint64, high float64) {
	g := newSimGroup(t, seed, 8)
	ln := g.serve(lc)
	peers := g.dial(ln, conns)
	g.wantEcho(peers)
	_, high = extremes(perCore(ln.On(g.cores[0]).Core().Runtime()))
	moved = g.total(coreruntime.ConnsMovedOut)
	if in := g.total(coreruntime.ConnsMovedIn); in != moved {
		t.Errorf("%d moved out, %d moved in", moved, in)
	}
	if lc.SurplusMax < 0 && moved > 0 {
		t.Errorf("%d moved though it is off", moved)
	}
	g.hangUp(peers)
	wantNone(t, perCore(g.cores[0].Runtime()))
	return moved, high
}

func wantNone(t *testing.T, conns []int) {
	t.Helper()
	if slices.Max(conns) != 0 || slices.Min(conns) != 0 {
		t.Errorf("connections counted after their end: %v", conns)
	}
}

// Those connections that the kernel gives to cores 0 and 1 stay, the others leave: what a hash cannot see.
func TestRebalanceLongLivedConnections(t *testing.T) {
	for _, tt := range []struct {
		lc       corenet.ListenConfig
		min, max float64
	}{{never, 3.9, 4.1}, {corenet.ListenConfig{}, 1, busiestMax}} {
		g := newSimGroup(t, 0, 8) // members in turn
		ln := g.serve(tt.lc)
		var stay []*sim.Peer
		for range 1000 {
			peers := g.dial(ln, 8)
			g.wantEcho(peers)
			stay = append(stay, peers[:2]...)
			g.hangUp(peers[2:])
		}
		conns := perCore(g.cores[0].Runtime())
		_, high := extremes(conns)
		t.Logf("SurplusMax %d: %v, busiest core %.2f of the mean", tt.lc.SurplusMax, conns, high)
		if high < tt.min || high > tt.max {
			t.Errorf("the busiest core has %.2f of the mean, want %.2f to %.2f", high, tt.min, tt.max)
		}
		g.hangUp(stay)
	}
}

// A core that has lost its connections gets new ones until it has its share again.
func TestRebalanceFillsTheGap(t *testing.T) {
	g := newSimGroup(t, 7, 8)
	ln := g.serve(corenet.ListenConfig{})
	var old []*sim.Peer
	var gone []*sim.Peer
	for range 2000 {
		before := g.cores[3].Conns()
		p := g.dial(ln, 1)
		if g.cores[3].Conns() > before {
			gone = append(gone, p...)
		} else {
			old = append(old, p...)
		}
	}
	g.hangUp(gone)
	if n := g.cores[3].Conns(); n != 0 {
		t.Fatalf("core 3 has %d connections", n)
	}
	was := perCore(g.cores[0].Runtime())
	fresh := g.dial(ln, len(gone))
	conns := perCore(g.cores[0].Runtime())
	low, high := extremes(conns)
	t.Logf("from %v to %v", was, conns)
	if low < 0.8 || high > busiestMax {
		t.Errorf("the cores have %.2f to %.2f of the mean", low, high)
	}
	g.hangUp(append(old, fresh...))
}

// With Accept, cores on which nobody takes connections are sent none.
func TestRebalanceAmongAcceptingCores(t *testing.T) {
	g := newSimGroup(t, 0, 8) // members in turn
	ln := g.listen(corenet.ListenConfig{})
	g.acceptOn(ln, echo, 0, 1, 2)
	var stay []*sim.Peer
	for range 30 {
		peers := g.dial(ln, 8)
		g.wantEcho(peers[:1]) // five of the others wait where nobody accepts
		stay = append(stay, peers[0])
		g.hangUp(peers[1:])
	}
	conns := perCore(g.cores[0].Runtime())
	if slices.Max(conns[:3]) > 13 || slices.Max(conns[3:]) > 0 {
		t.Errorf("connections per core: %v", conns)
	}
	g.acceptOn(ln, echo, 3, 4, 5, 6, 7)
	late := g.dial(ln, 56)
	g.wantEcho(late)
	if low, high := extremes(perCore(g.cores[0].Runtime())); low < 0.6 || high > 1.4 { // of 11, within 2 and 2
		t.Errorf("connections per core: %v", perCore(g.cores[0].Runtime()))
	}
	g.hangUp(append(late, stay...))
}

// What one core has sent to others when the listener closes was accepted before, so it is served.
func TestMovedConnectionsOutliveTheListener(t *testing.T) {
	g := newSimGroup(t, 0, 4)
	ln := g.serve(corenet.ListenConfig{})
	peers, moving := g.crowd(ln)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	g.settle()
	g.wantEcho(peers)
	if in := g.total(coreruntime.ConnsMovedIn); in != moving {
		t.Errorf("%d connections arrived, %d were on their way when the listener closed", in, moving)
	}
	g.hangUp(peers)
	wantNone(t, perCore(g.cores[0].Runtime()))
}

// crowd makes connections of which core 0 sends some to the others, and stops while they are on their
// way.
func (g *simGroup) crowd(ln *corenet.Listener) (peers []*sim.Peer, moving uint64) {
	g.t.Helper()
	for i := range 40 {
		p := g.dialQuiet(ln, 1)
		if i%len(g.cores) == 0 {
			peers = append(peers, p...)
		} else {
			p[0].Close() // its core has not seen it yet
		}
	}
	for range 3 {
		g.cores[0].Turn(0)
	}
	moving = g.total(coreruntime.ConnsMovedOut)
	if moving < 2 {
		g.t.Fatalf("%d connections are on their way, the test proves nothing", moving)
	}
	return peers, moving
}

// A member whose Accept nobody calls any more closes what is on its way to it, as it does with those that
// waited there.
func TestMovedConnectionsAreClosedWithAClosedListener(t *testing.T) {
	g := newSimGroup(t, 0, 4)
	ln := g.listen(corenet.ListenConfig{})
	g.acceptOn(ln, echo, 0, 1, 2, 3)
	peers, _ := g.crowd(ln)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	g.settle()
	g.hangUp(peers)
	wantNone(t, perCore(g.cores[0].Runtime()))
	if n := g.world.OpenFDs(); n != 0 {
		t.Errorf("%d descriptors are open", n)
	}
}

// A core that is being drained serves what was on its way, and lets it finish like its own.
func TestMovedConnectionsReachADrainingCore(t *testing.T) {
	g := newSimGroup(t, 0, 4)
	ln := g.serve(corenet.ListenConfig{})
	peers, moving := g.crowd(ln)
	for _, c := range g.cores[1:] {
		c.BeginDrain()
	}
	g.turn(20) // a drained core never rests
	if in := g.total(coreruntime.ConnsMovedIn); in != moving {
		t.Errorf("%d of %d connections arrived", in, moving)
	}
	more := g.dialQuiet(ln, 40)
	g.turn(20)
	if n := g.total(coreruntime.ConnsMovedOut); n != moving {
		t.Errorf("%d connections were sent to draining cores", n-moving)
	}
	g.wantEcho(more)
	peers = append(peers, more...)
	for _, p := range peers {
		p.Close()
	}
	g.turn(20)
	wantNone(t, perCore(g.cores[0].Runtime()))
}

// A core whose mailbox is full is sent nothing: the connection stays where it is, and nobody waits.
func TestAFullMailboxKeepsConnections(t *testing.T) {
	g := newSimGroupConfig(t, 0, 2, coreruntime.Config{MailboxMax: 1})
	ln := g.serve(corenet.ListenConfig{})
	if err := g.cores[1].Post(func() {}); err != nil {
		t.Fatal(err)
	}
	peers := g.dialQuiet(ln, 40)
	for range 50 {
		g.cores[0].Turn(0)
	}
	if n := g.total(coreruntime.ConnsMovedOut); n != 0 || g.cores[0].Conns() != 20 || g.cores[1].Conns() != 0 {
		t.Errorf("%d sent, %v", n, perCore(g.cores[0].Runtime()))
	}
	g.settle()
	g.wantEcho(peers)
	g.hangUp(peers)
}

// A core that stands still looks idle. It is sent no more than a few, and none is lost.
func TestAStandingCoreIsSentFew(t *testing.T) {
	g := newSimGroup(t, 0, 2)
	ln := g.serve(corenet.ListenConfig{})
	var peers []*sim.Peer
	for range 1000 {
		peers = append(peers, g.dialQuiet(ln, 1)...)
		g.cores[0].Turn(0)
	}
	if n := g.total(coreruntime.ConnsMovedOut); n == 0 || n > 64 {
		t.Errorf("%d connections were sent to a core that does not turn, 64 is the limit", n)
	}
	g.settle()
	g.wantEcho(peers)
	g.hangUp(peers)
}

// Core 0 is full and has sent to core 1 what may be on its way. It goes on when that has arrived.
func TestAFullCoreGoesOnWhenItsConnectionsHaveArrived(t *testing.T) {
	g := newSimGroup(t, 0, 2)
	ln := g.serve(corenet.ListenConfig{ConnsMax: 100, Backlog: 16})
	var peers []*sim.Peer
	for range 2 * (100 + 64 + 16) {
		p, err := g.world.Dial(ln.Addr().(*net.TCPAddr).AddrPort())
		if err == nil { // else a backlog is full
			mustWrite(t, p, []byte("x"))
			peers = append(peers, p)
		}
		g.cores[0].Turn(0)
	}
	if n := g.total(coreruntime.ConnsMovedOut); len(peers) != 196 || n != 64 {
		t.Fatalf("%d peers, %d sent; want 100 and 64, and two backlogs of 16", len(peers), n)
	}
	g.settle()
	g.wantEcho(peers)
	g.hangUp(peers)
}

// Eight cores share two CPUs here, and the kernel's own hash chooses.
func TestRebalanceOnTheKernel(t *testing.T) {
	const conns = 2000
	for _, kind := range []driver.Kind{driver.Uring, driver.Epoll} {
		t.Run(string(kind), func(t *testing.T) {
			leak.Check(t)
			rt := start(t, kind, coreruntime.Config{Cores: 8, Buffers: 64})
			ln := listen(t, rt, corenet.ListenConfig{})
			if err := ln.Serve(func(*coreruntime.Core) corenet.Protocol { return &echoProtocol{} }); err != nil {
				t.Fatal(err)
			}
			clients := make([]net.Conn, conns)
			for i := range clients {
				clients[i] = dialStd(t, ln.Addr())
			}
			for _, c := range clients {
				exchangeByte(t, c)
			}
			n := perCore(rt)
			_, high := extremes(n)
			t.Logf("%v: the busiest core has %.2f of the mean", n, high)
			if high > busiestMax {
				t.Errorf("the busiest core has %.2f of the mean, at most %.2f is meant", high, busiestMax)
			}
			for _, c := range clients {
				c.Close()
			}
			quietCores(t, rt, 1)
			wantNone(t, perCore(rt))
			if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

// Connections come, move and go on four cores while the listener or the whole runtime ends. Every client gets
// its answer or an end, every connection is counted in and out, and no descriptor is left.
func TestMovesWhileEverythingEnds(t *testing.T) {
	for _, end := range []string{"the listener", "the runtime"} {
		t.Run(end, func(t *testing.T) {
			for _, kind := range []driver.Kind{driver.Uring, driver.Epoll} {
				t.Run(string(kind), func(t *testing.T) {
					for range 5 {
						leak.Check(t)
						moveAndEnd(t, kind, end == "the runtime")
					}
				})
			}
		})
	}
}

func moveAndEnd(t *testing.T, kind driver.Kind, stop bool) {
	rt := start(t, kind, coreruntime.Config{Cores: 4, Buffers: 64})
	ln := listen(t, rt, corenet.ListenConfig{SurplusMax: 1, ConnsMax: 20})
	if err := ln.Serve(func(*coreruntime.Core) corenet.Protocol { return &echoProtocol{} }); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var answers atomic.Int64
	enough := make(chan struct{})
	for range 8 {
		wg.Go(func() {
			for comesBack(ln.Addr()) {
				if answers.Add(1) == 400 {
					close(enough)
				}
			}
		})
	}
	within(t, enough, "400 answers")
	before := rt.Metrics()
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if stop {
		if err := rt.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	moved := uint64(0)
	for _, m := range before.Cores {
		moved += m.Counters["conns_moved_in"]
	}
	if moved == 0 {
		t.Error("nothing moved, the test proves nothing")
	}
	if !stop {
		quietCores(t, rt, 0)
		wantBooked(t, rt)
	}
	wantNone(t, perCore(rt))
}

// comesBack makes one connection with one byte, and reports whether it came back.
func comesBack(addr net.Addr) bool {
	c, err := net.DialTimeout("tcp", addr.String(), testMax)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(testMax))
	if _, err := c.Write([]byte("x")); err != nil {
		return false
	}
	n, _ := c.Read(make([]byte, 1))
	return n == 1
}

// wantBooked checks the counters of cores that have no connection left.
func wantBooked(t *testing.T, rt *coreruntime.Runtime) {
	t.Helper()
	var out, in, accepted, closed uint64
	for _, m := range rt.Metrics().Cores {
		c := m.Counters
		if c["conns_accepted"]+c["conns_moved_in"] != c["conns_moved_out"]+c["conns_closed"] {
			t.Errorf("core %d: %v", m.Core, c)
		}
		out, in = out+c["conns_moved_out"], in+c["conns_moved_in"]
		accepted, closed = accepted+c["conns_accepted"], closed+c["conns_closed"]
	}
	if out != in || accepted != closed {
		t.Errorf("%d moved out and %d in, %d accepted and %d closed", out, in, accepted, closed)
	}
}

// Counting costs an accept no memory: only a connection that moves pays for its letter.
func TestAcceptAllocatesNoMoreWithRebalancing(t *testing.T) {
	per := func(lc corenet.ListenConfig) float64 {
		g := newSimGroup(t, 0, 2)
		ln := g.serve(lc)
		defer func() {
			if n := g.total(coreruntime.ConnsMovedOut); n != 0 {
				t.Errorf("%d connections moved", n)
			}
		}()
		return testing.AllocsPerRun(100, func() { g.hangUp(g.dial(ln, 2)) })
	}
	off, on := per(never), per(corenet.ListenConfig{ConnsMax: 5})
	if on > off {
		t.Errorf("%.1f allocations for two connections, %.1f without rebalancing", on, off)
	}
}
