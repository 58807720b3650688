package corenet_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// script is a Protocol that records what it is told and takes as many bytes as take says.
type script struct {
	conn   *corenet.Conn
	take   func(p []byte) int
	got    []byte
	out    []byte
	outMax int // of one Flush
	events []string
	err    error
	onEOF  func()
	onData func()
}

func (s *script) Open(c *corenet.Conn) { s.conn = c; s.log("open") }

func (s *script) log(what string) { s.events = append(s.events, what) }

func (s *script) Data(_ time.Duration, p []byte) int {
	n := len(p)
	if s.take != nil {
		n = s.take(p)
	}
	s.got = append(s.got, p[:n]...)
	if s.onData != nil {
		s.onData()
	}
	return n
}

func (s *script) EOF(time.Duration) {
	s.log("eof")
	if s.onEOF != nil {
		s.onEOF()
	}
}

func (s *script) Flush(_ time.Duration, dst []byte) []byte {
	n := len(s.out)
	if s.outMax > 0 {
		n = min(n, s.outMax)
	}
	dst = append(dst, s.out[:n]...)
	s.out = s.out[n:]
	if len(s.out) > 0 {
		s.conn.Touch()
	}
	if s.conn.Closing() && len(s.out) == 0 {
		dst = append(dst, "END"...)
	}
	return dst
}

func (s *script) Drain(time.Duration) { s.log("drain"); _ = s.conn.Close() }

func (s *script) Closed(_ time.Duration, err error) { s.log("closed"); s.err = err }

func TestProtocolTakesPartsAndPauses(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		s := newSim(t, coreruntime.Config{BufferSize: 512})
		conn, p := s.conn(corenet.ConnConfig{RecvTurnMax: 4096, BufsPerConnMax: 2})
		proto := &script{}
		// Anything between nothing and all, but never nothing for ever.
		proto.take = func(p []byte) int {
			if r.IntN(4) == 0 {
				return 0
			}
			return r.IntN(len(p)) + 1
		}
		paused := false
		proto.onData = func() {
			if r.IntN(5) == 0 {
				conn.Pause()
				paused = true
			}
		}
		if err := conn.Bind(proto); err != nil {
			t.Fatal(err)
		}
		want := pattern(20_000)
		for sent, steps := 0, 0; sent < len(want) || len(proto.got) < len(want); steps++ {
			if steps > 100*len(want) {
				t.Fatalf("%d bytes sent, %d delivered, and nothing moves", sent, len(proto.got))
			}
			n, err := p.Write(want[sent:min(len(want), sent+r.IntN(3000))])
			if err != nil {
				t.Fatal(err)
			}
			sent += n
			s.settle()
			if paused {
				before := len(proto.got)
				_, _ = p.Write(nil)
				s.settle()
				if len(proto.got) != before {
					t.Fatal("Data came while paused")
				}
			}
			paused = false
			conn.Resume()
			s.settle()
		}
		proto.onEOF = func() { _ = conn.Close() }
		_ = p.CloseWrite()
		s.settle()
		conn.Resume()
		s.settle()
		wantBytes(t, proto.got, want)
		if !slices.Equal(proto.events, []string{"open", "eof", "closed"}) || proto.err != io.EOF {
			t.Fatalf("round %d: events %v, err %v", round, proto.events, proto.err)
		}
	}
}

// A protocol that needs a whole record gets the bytes it refused together with those that follow.
func TestRefusedBytesComeAgainWithWhatFollowed(t *testing.T) {
	const record = 1000
	s := newSim(t, coreruntime.Config{BufferSize: 256})
	conn, p := s.conn(corenet.ConnConfig{})
	proto := &script{take: func(p []byte) int { return len(p) / record * record }}
	if err := conn.Bind(proto); err != nil {
		t.Fatal(err)
	}
	want := pattern(10 * record)
	turns := s.Snapshot().Counters["turns"]
	for i := range want {
		mustWrite(t, p, want[i:i+1])
		s.settle()
	}
	wantBytes(t, proto.got, want)
	if n := s.Snapshot().Counters["turns"] - turns; n > 10*uint64(len(want)) {
		t.Errorf("%d turns for %d bytes: waiting for the rest of a record spins", n, len(want))
	}
	mustWrite(t, p, []byte("half a record"))
	_ = p.CloseWrite()
	s.settle()
	if !slices.Equal(proto.events, []string{"open", "eof"}) {
		t.Errorf("events %v: the end of file must come although bytes were refused", proto.events)
	}
	_ = conn.Close()
	s.settle()
}

func TestCloseFlushesWhatTheProtocolStillHas(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	s.world.SetBuffers(4<<10, 4<<10)
	conn, p := s.conn(corenet.ConnConfig{})
	want := pattern(200 << 10)
	proto := &script{out: want, outMax: 10_000}
	if err := conn.Bind(proto); err != nil {
		t.Fatal(err)
	}
	conn.Touch()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for range 1000 {
		s.settle()
		b, err := drainPeer(p)
		got = append(got, b...)
		if err != nil {
			break
		}
	}
	wantBytes(t, got, append(slices.Clone(want), "END"...))
	p.Close()
	s.settle()
	if !slices.Equal(proto.events, []string{"open", "closed"}) || proto.err != nil {
		t.Errorf("events %v, err %v", proto.events, proto.err)
	}
}

func TestCloseAndAbortInsideData(t *testing.T) {
	cause := errors.New("protocol error")
	for _, tt := range []struct {
		name string
		end  func(c *corenet.Conn)
		want error
	}{
		{"Close", func(c *corenet.Conn) { _ = c.Close() }, nil},
		{"Abort", func(c *corenet.Conn) { c.Abort(cause) }, cause},
		{"CloseAbort", func(c *corenet.Conn) { _ = c.Close(); c.Abort(cause) }, cause},
	} {
		for _, kept := range []bool{false, true} {
			s := newSim(t, coreruntime.Config{})
			conn, p := s.conn(corenet.ConnConfig{})
			proto := &script{}
			depth := 0
			proto.take = func(p []byte) int {
				depth++
				tt.end(conn)
				if len(proto.events) != 1 {
					t.Errorf("%s: Closed came inside Data", tt.name)
				}
				depth--
				return len(p) / 2
			}
			if kept {
				mustWrite(t, p, []byte("in the queue before Bind"))
				s.settle()
			}
			if err := conn.Bind(proto); err != nil {
				t.Fatal(err)
			}
			if !kept {
				mustWrite(t, p, []byte("fresh"))
			}
			s.settle()
			p.Close()
			s.settle()
			if !slices.Equal(proto.events, []string{"open", "closed"}) || !errors.Is(proto.err, tt.want) {
				t.Errorf("%s, kept %v: events %v, err %v", tt.name, kept, proto.events, proto.err)
			}
		}
	}
}

func TestDrainAsksTheProtocol(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, p := s.conn(corenet.ConnConfig{})
	proto := &script{out: []byte("bye ")}
	if err := conn.Bind(proto); err != nil {
		t.Fatal(err)
	}
	s.BeginDrain()
	s.settle()
	got, err := drainPeer(p)
	if string(got) != "bye END" || err != io.EOF {
		t.Errorf("peer got %q %v", got, err)
	}
	p.Close()
	for range 10 {
		s.Turn(s.now)
	}
	if !slices.Equal(proto.events, []string{"open", "drain", "closed"}) {
		t.Errorf("events %v", proto.events)
	}
}

func TestATaskCannotUseABoundConnection(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, _ := s.conn(corenet.ConnConfig{})
	if err := conn.Bind(&script{}); err != nil {
		t.Fatal(err)
	}
	_, rerr := conn.Read(make([]byte, 1))
	_, werr := conn.Write(make([]byte, 1))
	if rerr == nil || werr == nil || conn.Bind(&script{}) == nil {
		t.Errorf("read %v, write %v", rerr, werr)
	}
}

func TestWrongGoroutine(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, _ := s.conn(corenet.ConnConfig{})
	done := make(chan [3]error)
	go func() {
		_, rerr := conn.Read(make([]byte, 1))
		_, werr := conn.Write(make([]byte, 1))
		done <- [3]error{rerr, werr, conn.Bind(&script{})}
	}()
	for i, err := range <-done {
		if !errors.Is(err, coreruntime.ErrWrongGoroutine) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}
