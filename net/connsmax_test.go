package corenet_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// bothFaces runs fn with a listener that serves a Protocol, and with one whose tasks accept, on every
// core of a fresh group.
func bothFaces(t *testing.T, seed uint64, cores int, lc corenet.ListenConfig, fn func(t *testing.T, g *simGroup, ln *corenet.Listener)) {
	t.Run("Serve", func(t *testing.T) {
		g := newSimGroup(t, seed, cores)
		fn(t, g, g.serve(lc))
	})
	t.Run("Accept", func(t *testing.T) {
		g := newSimGroup(t, seed, cores)
		ln := g.listen(lc)
		g.acceptOn(ln, echo, slices.Collect(countTo(cores))...)
		fn(t, g, ln)
	})
}

func countTo(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// served returns which of peers have their byte back; it must be the one that dial sent.
func (g *simGroup) served(peers []*sim.Peer) (yes, no []*sim.Peer) {
	g.t.Helper()
	buf := make([]byte, 2)
	for _, p := range peers {
		switch n, err := p.Read(buf); {
		case err != nil || n > 1:
			g.t.Fatalf("a peer got %d bytes, %v", n, err)
		case n == 1:
			yes = append(yes, p)
		default:
			no = append(no, p)
		}
	}
	return yes, no
}

func TestConnsMaxPausesAndResumes(t *testing.T) {
	for seed := range uint64(4) {
		bothFaces(t, seed, 1, corenet.ListenConfig{ConnsMax: 10}, func(t *testing.T, g *simGroup, ln *corenet.Listener) {
			open, waiting := g.served(g.dial(ln, 30))
			if len(open) != 10 || ln.On(g.cores[0]).Conns() != 10 {
				t.Fatalf("%d connections are served and %d counted, want 10", len(open), ln.On(g.cores[0]).Conns())
			}
			before := g.drvs[0].Counters().Submitted
			g.turn(100)
			if n := g.drvs[0].Counters().Submitted - before; n != 0 {
				t.Errorf("%d ops were submitted in a pause", n)
			}
			for len(waiting) > 0 {
				g.hangUp(open[:3])
				var more []*sim.Peer
				more, waiting = g.served(waiting)
				if open = append(open[3:], more...); len(waiting) > 0 && len(open) != 10 {
					t.Fatalf("%d connections are served after 3 of 10 have ended, %d wait", len(open), len(waiting))
				}
			}
			if g.total(coreruntime.AcceptPauses) == 0 {
				t.Error("no pause was counted")
			}
			g.hangUp(open)
			wantNone(t, []int{ln.On(g.cores[0]).Conns()})
		})
	}
}

// A close that waits for its peer still holds a descriptor, so it holds its place too.
func TestConnsMaxCountsClosingConnections(t *testing.T) {
	g := newSimGroup(t, 0, 1)
	ln := g.listen(corenet.ListenConfig{ConnsMax: 1})
	g.acceptOn(ln, func(c *corenet.Conn) { _ = c.Close() }, 0)
	peers := g.dial(ln, 2)
	if n := ln.On(g.cores[0]).Conns(); n != 1 || g.total(coreruntime.ConnsAccepted) != 1 {
		t.Errorf("%d connections while one lingers", n)
	}
	g.hangUp(peers[:1])
	if n := g.total(coreruntime.ConnsAccepted); n != 2 {
		t.Errorf("%d connections accepted after the first has ended", n)
	}
	g.hangUp(peers)
}

func TestConnsMaxDoesNotCountDetached(t *testing.T) {
	g := newSimGroup(t, 0, 1)
	ln := g.listen(corenet.ListenConfig{ConnsMax: 1})
	var fds []int
	g.acceptOn(ln, func(c *corenet.Conn) {
		d, err := c.Detach()
		if err != nil {
			t.Error(err)
			return
		}
		fds = append(fds, d.FD)
	}, 0)
	peers := g.dial(ln, 5)
	if len(fds) != 5 || ln.On(g.cores[0]).Conns() != 0 || g.cores[0].Conns() != 0 {
		t.Errorf("%d connections detached, %d and %d counted", len(fds), ln.On(g.cores[0]).Conns(), g.cores[0].Conns())
	}
	for _, fd := range fds {
		if err := g.cores[0].Driver().CloseFD(fd); err != nil {
			t.Error(err)
		}
	}
	g.hangUp(peers)
}

// A multishot that is armed while there is room for two backlogs goes on until there is room for one, so it
// cannot go over.
func TestConnsMaxEndsBursts(t *testing.T) {
	for seed := range uint64(20) {
		g := newSimGroup(t, seed, 1)
		ln := g.serve(corenet.ListenConfig{ConnsMax: 30, Backlog: 8})
		var peers []*sim.Peer
		for range 20 {
			for range 8 {
				if p, err := g.world.Dial(ln.Addr().(*net.TCPAddr).AddrPort()); err == nil {
					peers = append(peers, p)
				}
			}
			g.settle()
			if n := ln.On(g.cores[0]).Conns(); n > 30 {
				t.Fatalf("seed %d: %d connections", seed, n)
			}
		}
		if n := ln.On(g.cores[0]).Conns(); n != 30 {
			t.Errorf("seed %d: %d connections in the end", seed, n)
		}
		g.hangUp(peers)
	}
}

// The kernel has handed over a connection for a place that another core fills at the same time.
func TestConnectionsBeyondConnsMaxAreServed(t *testing.T) {
	g := newSimGroup(t, 0, 2) // members in turn
	ln := g.serve(corenet.ListenConfig{ConnsMax: 3})
	peers := g.dial(ln, 5) // 3 and 2
	peers = append(peers, g.dialQuiet(ln, 2)...)
	g.cores[1].Turn(0) // its accept has completed, and is not dispatched yet
	g.cores[0].Turn(0)
	g.cores[0].Turn(0) // core 0 is full and takes the last place of core 1
	g.settle()
	if n := ln.On(g.cores[1]).Conns(); n != 4 {
		t.Errorf("core 1 has %d connections, the test proves nothing", n)
	}
	if yes, no := g.served(peers); len(no) != 0 {
		t.Errorf("%d of %d connections are served", len(yes), len(peers))
	}
	g.hangUp(peers)
}

func TestListenerEndsWhilePaused(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *simGroup, *corenet.Listener){
		"Close": func(t *testing.T, _ *simGroup, ln *corenet.Listener) {
			if err := ln.Close(); err != nil {
				t.Error(err)
			}
		},
		"Stop": func(_ *testing.T, g *simGroup, _ *corenet.Listener) {
			for _, c := range g.cores {
				c.BeginDrain()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothFaces(t, 1, 3, corenet.ListenConfig{ConnsMax: 4}, func(t *testing.T, g *simGroup, ln *corenet.Listener) {
				open, waiting := g.served(g.dial(ln, 40))
				if len(open) < 12 || len(waiting) == 0 {
					t.Fatalf("%d served, %d waiting", len(open), len(waiting))
				}
				end(t, g, ln)
				g.turn(20)
				for _, p := range waiting { // the kernel resets what nobody accepts any more
					if _, err := p.Read(make([]byte, 1)); err == nil {
						t.Error("a connection in the backlog outlived its listener")
						break
					}
				}
				if name == "Close" {
					mustWrite(t, open[0], []byte{1})
					g.turn(5)
					if yes, _ := g.served(open[:1]); len(yes) != 1 {
						t.Error("an open connection is not served any more")
					}
				}
				for _, p := range append(open, waiting...) {
					p.Close()
				}
				g.turn(20)
				wantNone(t, perCore(g.cores[0].Runtime()))
			})
		})
	}
}

// Clients come and go at random at a group that is full most of the time: nobody may wait while any core has
// room, and no core may have more than one connection too many. One that has waits a little longer.
func TestNobodyWaitsWhileACoreHasRoom(t *testing.T) {
	const cores, limit = 4, 6
	for seed := uint64(1); seed <= 40; seed++ {
		bothFaces(t, seed, cores, corenet.ListenConfig{ConnsMax: limit}, func(t *testing.T, g *simGroup, ln *corenet.Listener) {
			r := rand.New(rand.NewPCG(seed, 9))
			var open, waiting []*sim.Peer
			for step := range 150 {
				waiting = append(waiting, g.dialQuiet(ln, r.IntN(4))...)
				for range min(r.IntN(4), len(open)) {
					i := r.IntN(len(open))
					open[i].Close()
					open = append(open[:i], open[i+1:]...)
				}
				g.settle()
				var more []*sim.Peer
				more, waiting = g.served(waiting)
				open = append(open, more...)
				conns := perCore(g.cores[0].Runtime())
				unfair := len(waiting) > 0 && slices.Min(conns) < limit && slices.Max(conns) <= limit
				if unfair || len(waiting) > 0 && slices.Min(conns) <= limit-cores || slices.Max(conns) > limit+1 {
					t.Fatalf("seed %d step %d: connections %v, %d wait", seed, step, conns, len(waiting))
				}
			}
			g.hangUp(append(open, waiting...))
			wantNone(t, perCore(g.cores[0].Runtime()))
		})
	}
}

// A core that is full goes on accepting for the places of another. When those are gone it must stop, however long it
// has been waiting for a client: its own connections stay, and each that came too late would be one more.
func TestBorrowedPlacesAreGivenUp(t *testing.T) {
	const limit = 4
	for seed := range uint64(20) {
		g := newSimGroup(t, seed, 2)
		ln := g.serve(corenet.ListenConfig{ConnsMax: limit})
		r := rand.New(rand.NewPCG(seed, 10))
		var stay, leave []*sim.Peer
		for step := range 200 {
			if len(leave) > 0 && r.IntN(2) == 0 {
				leave[0].Close()
				leave = leave[1:]
				g.settle()
			} else if p, core := g.dialOne(ln); core < 0 {
				g.hangUp([]*sim.Peer{p}) // everything was full
			} else if core == 0 {
				stay = append(stay, p)
			} else {
				leave = append(leave, p)
			}
			if conns := perCore(g.cores[0].Runtime()); slices.Max(conns) > limit+1 {
				t.Fatalf("seed %d step %d: connections %v", seed, step, conns)
			}
		}
		g.hangUp(append(stay, leave...))
	}
}

// dialOne connects a peer and returns the core that serves it, -1 when it waits.
func (g *simGroup) dialOne(ln *corenet.Listener) (*sim.Peer, int) {
	before := perCore(g.cores[0].Runtime())
	p := g.dial(ln, 1)[0]
	for core, n := range perCore(g.cores[0].Runtime()) {
		if n > before[core] {
			return p, core
		}
	}
	return p, -1
}

// On real drivers too, a paused core sleeps: it neither enters the kernel nor turns.
func TestConnsMaxOnDrivers(t *testing.T) {
	for _, face := range []string{"Serve", "Accept"} {
		t.Run(face, func(t *testing.T) {
			onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
				lc := corenet.ListenConfig{ConnsMax: 4}
				var ln *corenet.Listener
				if face == "Accept" {
					ln = serve(t, rt, lc, echo)
				} else {
					ln = listen(t, rt, lc)
					if err := ln.Serve(func(*coreruntime.Core) corenet.Protocol { return &echoProtocol{} }); err != nil {
						t.Fatal(err)
					}
				}
				testPause(t, rt, ln)
				if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			})
		})
	}
}

func testPause(t *testing.T, rt *coreruntime.Runtime, ln *corenet.Listener) {
	clients := make([]*net.TCPConn, 30)
	answered := make(chan *net.TCPConn, len(clients))
	for i := range clients {
		c := dialStd(t, ln.Addr())
		clients[i] = c
		go func() {
			if _, err := c.Write([]byte{byte(i)}); err != nil {
				t.Error(err)
			}
			buf := make([]byte, 1)
			if n, err := c.Read(buf); n != 1 || buf[0] != byte(i) {
				t.Errorf("client %d got %v, %v", i, buf[:n], err)
			}
			answered <- c
		}()
	}
	var open []*net.TCPConn
	for range 8 { // twice ConnsMax: what hashed to a full core goes to the other
		open = append(open, within(t, answered, "an answer"))
	}
	wantQuiet(t, rt)
	for range len(clients) - 8 {
		open[0].Close()
		open = append(open[1:], within(t, answered, "an answer after a close"))
		// One too many where both cores fill the same place, and one more where a place is gone before word of it has come.
		if n := slices.Max(perCore(rt)); n > 6 {
			t.Errorf("a core has %d connections", n)
		}
	}
	for _, c := range open {
		c.Close()
	}
	quietCores(t, rt, 1)
}

// Four cores pause and resume thousands of times, each because of what the others do at the same moment: a
// resume that is lost leaves clients without an answer.
func TestNoResumeIsLost(t *testing.T) {
	onDrivers(t, coreruntime.Config{Cores: 4}, func(t *testing.T, rt *coreruntime.Runtime) {
		ln := listen(t, rt, corenet.ListenConfig{ConnsMax: 2})
		if err := ln.Serve(func(*coreruntime.Core) corenet.Protocol { return &echoProtocol{} }); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 100 {
					if !comesBack(ln.Addr()) {
						t.Error("a client got no answer")
						return
					}
				}
			})
		}
		wg.Wait()
		quietCores(t, rt, 1)
		wantBooked(t, rt)
		pauses := uint64(0)
		for _, m := range rt.Metrics().Cores {
			pauses += m.Counters["accept_pauses"]
		}
		if t.Logf("%d pauses", pauses); pauses < 100 {
			t.Errorf("%d pauses, the test proves nothing", pauses)
		}
	})
}

// wantQuiet looks at two moments: both cores have paused and enter the kernel only to answer that.
func wantQuiet(t *testing.T, rt *coreruntime.Runtime) {
	t.Helper()
	before := rt.Metrics()
	<-time.After(100 * time.Millisecond) // a spinning accept would make thousands of turns
	for i, after := range rt.Metrics().Cores {
		if n := after.Driver.Enters - before.Cores[i].Driver.Enters; n > 10 {
			t.Errorf("core %d entered the kernel %d times in 100 ms of a pause", i, n)
		}
		if after.Counters["accept_pauses"] == 0 {
			t.Errorf("core %d has not paused: %v", i, fmt.Sprint(perCore(rt)))
		}
	}
}
