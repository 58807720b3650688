package corenet_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// TestSeedsOnSeveralCores lets cores that send each other connections sleep as threads do: a core is turned only for
// what its driver has, for a timer, or when its last turn left work. What another core has posted does not count: the
// wake-up has to bring it.
func TestSeedsOnSeveralCores(t *testing.T) {
	first, last := uint64(1), uint64(100)
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { runSleepers(t, seed) })
		if t.Failed() {
			t.Fatalf("replay with -run TestSeedsOnSeveralCores -seed %d", seed)
		}
	}
}

// sleepers are cores of one world that sleep.
type sleepers struct {
	t     *testing.T
	world *sim.World
	drvs  []*sim.Driver
	cores []*coreruntime.Core
	awake []bool // the last turn left work
	now   time.Duration
}

func newSleepers(t *testing.T, seed uint64) *sleepers {
	leak.Check(t)
	s := &sleepers{t: t, world: sim.New(seed)}
	s.world.SetFaults(sim.AllFaults())
	var drivers []driver.Driver
	for i := range 2 + s.world.Intn(3) {
		s.drvs = append(s.drvs, s.world.Driver(i, sim.Config{BufferSize: 256, Buffers: 8, BuffersMax: 16}))
		drivers, s.awake = append(drivers, s.drvs[i]), append(s.awake, true)
	}
	s.cores = coreruntime.NewManuals(coreruntime.Config{Logger: quietLog}, drivers...)
	return s
}

// turn gives each core that is awake a turn and reports whether there was one.
func (s *sleepers) turn() (any bool) {
	for i, c := range s.cores {
		at := c.NextTimer()
		if !s.awake[i] && !s.drvs[i].Pending() && (at < 0 || at > s.now) {
			continue
		}
		c.Turn(s.now)
		s.awake[i], any = !c.Idle(), true
	}
	return any
}

// pass lets the cores fall asleep, and then d go by.
func (s *sleepers) pass(d time.Duration) {
	s.t.Helper()
	for n := 0; s.turn(); n++ {
		if n == 20_000 {
			s.t.Fatal("the cores do not come to rest")
		}
	}
	s.now += d
	s.world.Advance(d)
}

func runSleepers(t *testing.T, seed uint64) {
	s := newSleepers(t, seed)
	ln := listen(t, s.cores[0].Runtime(), corenet.ListenConfig{SurplusMax: 1})
	if err := ln.Serve(func(*coreruntime.Core) corenet.Protocol { return &echoProtocol{} }); err != nil {
		t.Fatal(err)
	}
	s.pass(0)
	var peers []*seedPeer
	for range 100 {
		if len(peers) < 20 && s.world.Chance(300) {
			p, err := s.world.Dial(ln.Addr().(*net.TCPAddr).AddrPort())
			if err != nil {
				t.Fatal(err)
			}
			peers = append(peers, &seedPeer{Peer: p})
		}
		if len(peers) > 0 {
			p := peers[s.world.Intn(len(peers))]
			b := pattern(len(p.sent) + 1 + s.world.Intn(500))[len(p.sent):]
			n, _ := p.Write(b)
			p.sent = append(p.sent, b[:n]...)
		}
		s.turn()
	}
	for _, p := range peers {
		_ = p.CloseWrite()
	}
	s.collect(peers)
	s.end(ln)
}

// collect reads until every peer has its whole echo, but for those that an accept has lost.
func (s *sleepers) collect(peers []*seedPeer) {
	s.t.Helper()
	for range 2000 {
		open := 0
		for _, p := range peers {
			if !p.read(s.now) {
				open++
			}
		}
		if open == 0 {
			break
		}
		s.pass(10 * time.Millisecond)
	}
	for i, p := range peers {
		if !p.Lost() && (!p.eof || !bytes.Equal(p.got, p.sent)) {
			s.t.Errorf("peer %d has %d of %d bytes, %v", i, len(p.got), len(p.sent), map[bool]error{true: io.EOF}[p.eof])
		}
		_ = p.Close()
	}
}

// end closes everything; nothing may be left.
func (s *sleepers) end(ln *corenet.Listener) {
	if err := ln.Close(); err != nil {
		s.t.Error(err)
	}
	for range 100 {
		s.pass(10 * time.Millisecond)
	}
	for _, c := range s.cores {
		if n := c.Snapshot().Residents; n != 0 || c.Conns() != 0 {
			s.t.Errorf("core %d: %d residents are left, %d connections are counted", c.ID(), n, c.Conns())
		}
		if err := c.CloseManual(); err != nil {
			s.t.Error(err)
		}
	}
	if n := s.world.OpenFDs(); n != 0 {
		s.t.Errorf("%d descriptors are left open", n)
	}
}
