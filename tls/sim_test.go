package coretls

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// simServer is a server on a core that the test turns itself.
type simServer struct {
	*server
	core  *coreruntime.Core
	world *sim.World
	now   time.Duration
	at    netip.AddrPort
}

func newSimServer(t *testing.T, seed uint64, change func(*testProto)) *simServer {
	t.Helper()
	w := sim.New(seed)
	core := coreruntime.NewManual(coreruntime.Config{}, w.Driver(0, sim.Config{}))
	s := &simServer{core: core, world: w}
	cfg, err := NewConfig(serverTLS(tls.VersionTLS13), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	s.server = &server{t: t, rt: core.Runtime(), cfg: cfg, opened: make(chan *testProto, 10),
		closed: make(chan error, 10), failed: make(chan *HandshakeError, 10)}
	cfg.HandshakeFailed = func(err *HandshakeError) { s.failed <- err }
	ln, err := corenet.Listen(core.Runtime(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.at = netip.MustParseAddrPort(ln.Addr().String())
	err = ln.Serve(func(*coreruntime.Core) corenet.Protocol {
		return NewEngine(cfg, func(*tls.ConnectionState) (corenet.Protocol, error) {
			p := &testProto{s: s.server}
			if change != nil {
				change(p)
			}
			return p, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := core.CloseManual(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	})
	s.turn()
	return s
}

func (s *simServer) turn() { s.turnAfter(100 * time.Microsecond) }

func (s *simServer) turnAfter(d time.Duration) {
	s.now += d
	s.world.Advance(d)
	s.core.Turn(s.now)
}

// handmade connects a client and turns the core until its handshake is done;
// from then on the records are made by hand.
func (s *simServer) handmade() (*sim.Peer, *handmade) {
	s.t.Helper()
	peer, err := s.world.Dial(s.at)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { peer.Close() })
	var log bytes.Buffer
	cfg := clientTLS()
	cfg.KeyLogWriter = &log
	c := tls.Client(simEnd{testEnd{}, peer}, cfg)
	done := make(chan error, 1)
	go func() { done <- c.Handshake() }()
	for deadline := time.Now().Add(testWait); len(s.opened) == 0; s.turnAfter(time.Nanosecond) {
		// The client runs in real time: a clock that ran ahead of it would time the handshake out.
		runtime.Gosched()
		if time.Now().After(deadline) {
			s.t.Fatal("the handshake does not end")
		}
	}
	if err := want(s.t, done, "handshake"); err != nil {
		s.t.Fatal(err)
	}
	h := newHandmade(s.t, log.String(), c.ConnectionState().CipherSuite)
	s.turn()
	h.receive(s.t, s.read(peer)) // tickets
	return peer, h
}

func (s *simServer) read(peer *sim.Peer) (all []byte) {
	buf := make([]byte, 1<<16)
	for {
		n, err := peer.Read(buf)
		if n == 0 || err != nil {
			return all
		}
		all = append(all, buf[:n]...)
	}
}

// simEnd makes a net.Conn of a sim.Peer for a client on another goroutine.
type simEnd struct {
	testEnd
	peer *sim.Peer
}

func (e simEnd) Read(p []byte) (int, error) {
	for {
		if n, err := e.peer.Read(p); n > 0 || err != nil {
			return n, err
		}
		runtime.Gosched()
	}
}

func (e simEnd) Write(p []byte) (int, error) { return e.peer.Write(p) }

var _ net.Conn = simEnd{}

// From received bytes to sent bytes a small exchange allocates once: crypto/tls, for
// the record it opens. An idle turn allocates nothing, nor does an idle
// connection hold memory of the core.
func TestTurnAllocs(t *testing.T) {
	s := newSimServer(t, 0, nil)
	peer, h := s.handmade()
	const rounds = 100
	var wires [][]byte
	for range rounds + 1 {
		wires = append(wires, h.data("a small request"))
	}
	buf := make([]byte, 4096)
	i := 0
	got := testing.AllocsPerRun(rounds, func() {
		peer.Write(wires[i])
		i++
		s.turn() // submits and waits
		s.turn() // takes the completion
		if n, err := peer.Read(buf); n == 0 || err != nil {
			t.Fatalf("no answer: %d, %v", n, err)
		}
	})
	if got > 1 && !raceOn {
		t.Errorf("%v allocations for a small exchange, want at most 1", got)
	}
	if got := testing.AllocsPerRun(rounds, s.turn); got != 0 {
		t.Errorf("%v allocations in an idle turn", got)
	}
	if m := s.core.Snapshot(); m.ChunkBytes != 0 || m.BuffersLent != 0 {
		t.Errorf("an idle connection holds %d bytes of chunks and %d buffers", m.ChunkBytes, m.BuffersLent)
	}
}

// Any legal sequence of completions: records, KeyUpdates and the end arrive in
// pieces as the seed has it, against inner protocols of all tempers.
func TestSimSeeds(t *testing.T) {
	tempers := []func(*testProto){
		nil,
		func(p *testProto) { p.takeMax = 7 },
		func(p *testProto) { p.wholeOf, p.takeMax = 105, 105 },
	}
	for seed := range uint64(30) {
		s := newSimServer(t, seed+1, tempers[seed%3])
		peer, h := s.handmade()
		var wire []byte
		want := ""
		for n := range 6 {
			line := string(bytes.Repeat([]byte{'a' + byte(n)}, 15*(n+1)))
			want += line
			wire = append(wire, h.data(line)...)
			if n%2 == 1 {
				wire = append(wire, h.update(t)...)
			}
		}
		wire = append(wire, h.send.seal(typeAlert, []byte{1, 0})...)
		var got []byte
		for turns := 0; len(s.closed) == 0; turns++ {
			if turns > 10_000 {
				t.Fatalf("seed %d: the connection does not end; %d bytes not sent", seed+1, len(wire))
			}
			k := min(len(wire), 1+int(seed*7+uint64(turns)*13)%97)
			n, _ := peer.Write(wire[:k])
			wire = wire[n:]
			s.turn()
			b := make([]byte, 1<<16)
			n, err := peer.Read(b)
			got = append(got, b[:n]...)
			if err == io.EOF {
				peer.Close()
			}
		}
		if err := <-s.closed; err != nil && err != io.EOF {
			t.Errorf("seed %d: Closed(%v)", seed+1, err)
		}
		if _, data := h.receive(t, got); data != want {
			t.Errorf("seed %d: got %q, want %q", seed+1, data, want)
		}
	}
}
