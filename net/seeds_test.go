package corenet_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

var seedFlag = flag.Uint64("seed", 0, "replay one seed of TestSeeds")

// TestSeeds lets the sim choose orders, lengths and cancel races, and the peers misbehave. Whatever
// happens: an echo is a prefix of what was sent, whole if the peer waited for it, and nothing is left.
func TestSeeds(t *testing.T) {
	first, last := uint64(1), uint64(300)
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { runSeed(t, seed) })
		if t.Failed() {
			t.Fatalf("replay with -run TestSeeds -seed %d", seed)
		}
	}
}

// seedPeer is one client and what it knows.
type seedPeer struct {
	*sim.Peer
	sent, got []byte
	polite    bool // waits for its echo
	closed    bool
	failed    bool
	eof       bool
	over      bool // reading has ended, by an end of file or an error
	readAt    time.Duration
	stalled   int  // turns that it still does nothing
	excused   bool // time has run out for it: the server may have given it up
}

// seedStallMax is how long a peer of TestSeeds may leave its echo unread.
const seedStallMax = 2 * time.Second

func runSeed(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 3))
	s := newSimSeed(t, seed, coreruntime.Config{BufferSize: 256, Buffers: 8, BuffersMax: 8 << r.IntN(3)})
	if seed%4 != 0 {
		s.world.SetFaults(sim.AllFaults())
	}
	s.world.SetBuffers(1<<(9+r.IntN(5)), 1<<(9+r.IntN(5)))
	cc := corenet.ConnConfig{
		OutBufferMax: 1024 << r.IntN(4), RecvTurnMax: 256 << r.IntN(6), BufsPerConnMax: 1 + r.IntN(8),
		LingerBytesMax: 1 << (8 + r.IntN(8)), LingerMax: time.Second, WriteStallMax: seedStallMax,
	}
	task, proto := s.listen(corenet.ListenConfig{Conn: cc, AcceptedMax: 2}), s.listen(corenet.ListenConfig{Conn: cc})
	s.Go("accept", func() { _ = acceptLoop(s.Core, task, echo) })
	if err := proto.Serve(func(*coreruntime.Core) corenet.Protocol { return &moodyEcho{r: r} }); err != nil {
		t.Fatal(err)
	}
	s.settle()
	var peers []*seedPeer
	for i := range 2 + r.IntN(6) {
		ln := []*corenet.Listener{task, proto}[i%2]
		peers = append(peers, &seedPeer{Peer: s.dial(ln), polite: r.IntN(2) == 0})
	}
	for range 200 {
		peers[r.IntN(len(peers))].act(r, s)
		s.Turn(s.now)
		if r.IntN(20) == 0 {
			s.pass(time.Duration(r.IntN(300)) * time.Millisecond)
		}
		if s.world.Chance(s.world.FaultsSet().ClockJump) {
			s.now += time.Hour
			s.world.Advance(time.Hour)
			for _, p := range peers {
				p.excused = true
			}
		}
	}
	for _, p := range peers {
		p.finish(t, s)
	}
	_ = task.Close()
	_ = proto.Close()
	s.settle()
	s.pass(10 * time.Second)
	if n := s.Snapshot().Residents; n != 0 {
		t.Errorf("%d residents are left", n)
	}
}

func (p *seedPeer) act(r *rand.Rand, s *simCore) {
	faults := s.world.FaultsSet()
	switch k := r.IntN(12); {
	case p.closed:
	case p.stalled > 0:
		p.stalled--
	case s.world.Chance(faults.PeerStall):
		p.stalled = s.world.Intn(10)
	case s.world.Chance(faults.PeerReset):
		p.closed = true
		_ = p.Reset()
	case k < 5:
		b := pattern(len(p.sent) + 1 + r.IntN(3000))[len(p.sent):]
		n, err := p.Write(b)
		p.sent = append(p.sent, b[:n]...)
		p.failed = p.failed || err != nil
	case k < 10 || p.polite:
		p.read(s.now)
	case k == 10 && r.IntN(5) == 0:
		p.closed = true
		_ = p.Reset()
	case k == 11 && r.IntN(5) == 0:
		p.closed = true
		_ = p.Close()
	}
}

func (p *seedPeer) read(now time.Duration) (ended bool) {
	if p.over {
		return true // after a reset has been told, reads find an end of file (tcp(7))
	}
	p.excused = p.excused || now-p.readAt >= seedStallMax
	p.readAt = now
	b, err := drainPeer(p.Peer)
	p.got = append(p.got, b...)
	p.eof, p.over = err == io.EOF, err != nil
	return p.over
}

// finish lets a polite peer have its whole echo, and sends the others away.
func (p *seedPeer) finish(t *testing.T, s *simCore) {
	if p.closed {
		return
	}
	if p.polite && !p.failed {
		_ = p.CloseWrite()
		for n := 0; !p.read(s.now); n++ {
			if n > 10_000 {
				t.Fatalf("the echo stands still at %d of %d bytes", len(p.got), len(p.sent))
			}
			s.settle()
			if n%100 == 99 {
				s.pass(10 * time.Millisecond)
			}
		}
	}
	if p.polite && !p.eof && !p.excused && !p.Lost() {
		t.Errorf("a polite peer was torn off after %d of %d bytes", len(p.got), len(p.sent))
	}
	if !bytes.HasPrefix(p.sent, p.got) {
		t.Errorf("an echo of %d bytes is not what was sent", len(p.got))
	}
	if p.eof && !p.failed && len(p.got) != len(p.sent) {
		t.Errorf("an end of file came after %d of %d bytes", len(p.got), len(p.sent))
	}
	_ = p.Close()
	s.settle()
}

// moodyEcho takes what it likes and pauses when it likes; a timer of the test is not needed to go on,
// because it resumes in its Flush.
type moodyEcho struct {
	echoProtocol
	r *rand.Rand
}

func (m *moodyEcho) Data(now time.Duration, p []byte) int {
	n := m.r.IntN(len(p) + 1)
	m.echoProtocol.Data(now, p[:n])
	if m.r.IntN(4) == 0 {
		m.conn.Pause()
	}
	if n == 0 { // nothing may come after these bytes: ask for them again
		m.conn.Pause()
	}
	m.conn.Touch()
	return n
}

func (m *moodyEcho) Flush(now time.Duration, dst []byte) []byte {
	m.conn.Resume()
	return m.echoProtocol.Flush(now, dst)
}
