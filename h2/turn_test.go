package h2

import (
	"bytes"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// simServer is a whole server on one manual core of the in-memory driver.
type simServer struct {
	t     *testing.T
	world *sim.World
	core  *coreruntime.Core
	now   time.Duration
	peer  *sim.Peer
	s     *Server
}

func newSimServer(t *testing.T, handler Handler) *simServer {
	w := sim.New(1)
	core := coreruntime.NewManual(coreruntime.Config{Logger: slog.New(slog.DiscardHandler)}, w.Driver(0, sim.Config{}))
	x := &simServer{t: t, world: w, core: core, s: &Server{Handler: handler, Runtime: core.Runtime()}}
	if err := x.s.open(); err != nil {
		t.Fatal(err)
	}
	ln, err := corenet.Listen(core.Runtime(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	err = ln.Serve(func(c *coreruntime.Core) corenet.Protocol { return newServerConn(x.s.cores[0], nil) })
	if err != nil {
		t.Fatal(err)
	}
	x.turns(3)
	if x.peer, err = w.Dial(netip.MustParseAddrPort(ln.Addr().String())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ln.Close()
		if err := core.CloseManual(); err != nil {
			t.Error(err)
		}
		if m := x.s.cores[0].pool.metrics; m.ConnsOpen != 0 || m.StreamsOpen != 0 {
			t.Errorf("left behind: %+v", m)
		}
	})
	return x
}

func (x *simServer) turns(n int) {
	for range n {
		x.now += time.Microsecond
		x.world.Advance(time.Microsecond)
		x.core.Turn(x.now)
	}
}

// TestTurnAllocatesNothing is the budget of the whole path: from received bytes to sent bytes, through the turn of
// a core, a small GET allocates nothing; nor does a turn in which nothing happens.
func TestTurnAllocatesNothing(t *testing.T) {
	x := newSimServer(t, HandlerFunc(func(w *Response, r *Request) {
		w.Set("content-type", "text/plain")
		w.WriteString("Hello, World!")
	}))
	p := newTestPeer(t, Limits{}, HandlerFunc(testHandler)) // encodes only
	p.out.WriteString(Preface)
	p.must(p.fr.WriteSettings())
	p.must(p.fr.WriteWindowUpdate(0, 1<<30))
	p.must(p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true, EndHeaders: true,
		BlockFragment: p.block(":method", "GET", ":scheme", "http", ":path", "/plaintext", ":authority", "test")}))
	if _, err := x.peer.Write(p.out.Bytes()); err != nil {
		t.Fatal(err)
	}
	x.turns(5)
	buf := make([]byte, 4096)
	if n, _ := x.peer.Read(buf); !bytes.HasSuffix(buf[:n], []byte("Hello, World!")) {
		t.Fatalf("answer %q", buf[:n])
	}
	block := p.block(":method", "GET", ":scheme", "http", ":path", "/plaintext", ":authority", "test")
	frame := appendHeaders(nil, 3, block, true, frameSizeMin)
	id := uint32(3)
	get := func() {
		putFrameHeader(frame, len(block), FrameHeaders, FlagEndHeaders|FlagEndStream, id)
		id += 2
		x.peer.Write(frame)
		for range 10 {
			x.turns(1)
			if n, _ := x.peer.Read(buf); n > 0 {
				return
			}
		}
		t.Fatal("no answer")
	}
	for range 200 {
		get()
	}
	x.turns(1000)
	// The date value is made once a second; the clock of this test does not move that far.
	if n := testing.AllocsPerRun(1000, get); n != 0 && !raceEnabled {
		t.Errorf("a small GET allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { x.turns(1) }); n != 0 && !raceEnabled {
		t.Errorf("an idle turn allocates %v times", n)
	}
}
