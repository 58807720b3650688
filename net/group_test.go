package corenet_test

import (
	"net"
	"slices"
	"testing"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// simGroup is several manual cores in one simulated world.
type simGroup struct {
	t     testing.TB
	world *sim.World
	drvs  []*sim.Driver
	cores []*coreruntime.Core
	lns   []*corenet.Listener
}

func newSimGroup(t testing.TB, seed uint64, n int) *simGroup {
	t.Helper()
	return newSimGroupConfig(t, seed, n, coreruntime.Config{})
}

func newSimGroupConfig(t testing.TB, seed uint64, n int, cfg coreruntime.Config) *simGroup {
	t.Helper()
	leak.Check(t)
	g := &simGroup{t: t, world: sim.New(seed)}
	var drivers []driver.Driver
	for i := range n {
		g.drvs = append(g.drvs, g.world.Driver(i, sim.Config{}))
		drivers = append(drivers, g.drvs[i])
	}
	cfg.Logger = quietLog
	g.cores = coreruntime.NewManuals(cfg, drivers...)
	t.Cleanup(func() {
		for _, ln := range g.lns { // a task that CloseManual had to end would take this goroutine with it
			_ = ln.Close()
		}
		g.turn(10)
		for _, c := range g.cores {
			if err := c.CloseManual(); err != nil {
				t.Error(err)
			}
			if n := c.Conns(); n != 0 {
				t.Errorf("core %d counts %d connections at its end", c.ID(), n)
			}
		}
		if n := g.world.OpenFDs(); n != 0 && !t.Failed() {
			t.Errorf("%d descriptors of the simulated world are still open", n)
		}
	})
	return g
}

// settle turns all cores until none has anything to do.
func (g *simGroup) settle() {
	g.t.Helper()
	for range 10_000 {
		idle := true
		for i, c := range g.cores {
			c.Turn(0)
			idle = idle && c.Idle() && !g.drvs[i].Pending()
		}
		if idle && !slices.ContainsFunc(g.drvs, (*sim.Driver).Pending) {
			return
		}
	}
	g.t.Fatal("the cores do not come to rest")
}

// turn gives every core n turns.
func (g *simGroup) turn(n int) {
	for range n {
		for _, c := range g.cores {
			c.Turn(0)
		}
	}
}

func (g *simGroup) listen(lc corenet.ListenConfig) *corenet.Listener {
	g.t.Helper()
	ln := listen(g.t, g.cores[0].Runtime(), lc)
	g.lns = append(g.lns, ln)
	return ln
}

// serve listens and echoes on every core.
func (g *simGroup) serve(lc corenet.ListenConfig) *corenet.Listener {
	g.t.Helper()
	ln := g.listen(lc)
	if err := ln.Serve(func(*coreruntime.Core) corenet.Protocol { return &echoProtocol{} }); err != nil {
		g.t.Fatal(err)
	}
	g.settle()
	return ln
}

// dial connects n peers, a few at a time, and each has sent a byte before it is accepted.
func (g *simGroup) dial(ln *corenet.Listener, n int) (peers []*sim.Peer) {
	g.t.Helper()
	for len(peers) < n {
		peers = append(peers, g.dialQuiet(ln, min(5, n-len(peers)))...)
		g.settle()
	}
	return peers
}

// dialQuiet connects n peers, each with a byte, and turns no core.
func (g *simGroup) dialQuiet(ln *corenet.Listener, n int) (peers []*sim.Peer) {
	g.t.Helper()
	for range n {
		p, err := g.world.Dial(ln.Addr().(*net.TCPAddr).AddrPort())
		if err != nil {
			g.t.Fatal(err)
		}
		mustWrite(g.t, p, []byte("x"))
		peers = append(peers, p)
	}
	return peers
}

// wantEcho checks that every peer got its byte back, from whatever core.
func (g *simGroup) wantEcho(peers []*sim.Peer) {
	g.t.Helper()
	for i, p := range peers {
		buf := make([]byte, 2)
		if n, err := p.Read(buf); n != 1 || err != nil || buf[0] != 'x' {
			g.t.Fatalf("peer %d of %d got %v, %v", i, len(peers), buf[:n], err)
		}
	}
}

// hangUp closes peers and lets the cores see it.
func (g *simGroup) hangUp(peers []*sim.Peer) {
	for _, p := range peers {
		p.Close()
	}
	g.settle()
}

// total sums a counter over the cores.
func (g *simGroup) total(m coreruntime.Counter) (n uint64) {
	for _, c := range g.cores {
		n += c.Snapshot().Counters[m.String()]
	}
	return n
}

// perCore is how many connections each core has.
func perCore(rt *coreruntime.Runtime) (conns []int) {
	for _, c := range rt.Cores() {
		conns = append(conns, c.Conns())
	}
	return conns
}

// extremes returns the least and the most loaded core's share, as parts of the mean.
func extremes(conns []int) (low, high float64) {
	sum := 0
	for _, n := range conns {
		sum += n
	}
	mean := float64(sum) / float64(len(conns))
	return float64(slices.Min(conns)) / mean, float64(slices.Max(conns)) / mean
}

// acceptOn starts an accept loop with fn on some cores.
func (g *simGroup) acceptOn(ln *corenet.Listener, fn func(*corenet.Conn), cores ...int) {
	for _, i := range cores {
		c := g.cores[i]
		c.Go("accept", func() {
			if err := acceptLoop(c, ln, fn); err != nil {
				g.t.Error(err)
			}
		})
	}
	g.settle()
}
