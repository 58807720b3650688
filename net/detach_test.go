package corenet_test

import (
	"errors"
	"io"
	"slices"
	"syscall"
	"testing"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// While a task waits in Detach the protocol is offered nothing more, for what it took now would be missing from
// Unread, and all that it has to say is still sent.
func TestDetachFromAProtocol(t *testing.T) {
	s := newSimSeed(t, 0, coreruntime.Config{})
	s.world.SetBuffers(4<<10, 4<<10)
	conn, p := s.conn(corenet.ConnConfig{})
	out := pattern(20 << 10)
	sc := &script{take: func(p []byte) int { return 1 }, outMax: 8 << 10, out: slices.Clone(out)}
	if err := conn.Bind(sc); err != nil {
		t.Fatal(err)
	}
	s.settle()
	mustWrite(t, p, []byte("0123456789"))
	_ = p.CloseWrite()
	s.Turn(s.now)
	var d *corenet.Detached
	var err error
	took := 0
	s.Go("detach", func() {
		conn.Touch()
		took = len(sc.got)
		d, err = conn.Detach()
	})
	var got []byte
	for range 20 {
		s.settle()
		b, _ := drainPeer(p)
		got = append(got, b...)
	}
	wantBytes(t, got, out)
	if took == 0 || err != nil || d == nil || string(d.Unread) != "0123456789"[took:] {
		t.Fatalf("%d bytes were taken before Detach: %v, %+v", took, err, d)
	}
	if slices.Contains(sc.events, "eof") {
		t.Errorf("the protocol heard %q", sc.events)
	}
	if err := s.Driver().CloseFD(d.FD); err != nil {
		t.Error(err)
	}
	p.Close()
}

// A connection may break between Accept and Bind, and its protocol must hear of it.
func TestBindAfterTheEnd(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	for _, reset := range []bool{true, false} {
		conn, p := s.conn(corenet.ConnConfig{})
		if reset {
			_ = p.Reset()
		} else {
			p.Close()
		}
		s.settle()
		sc := &script{onEOF: func() { _ = conn.Close() }}
		if err := conn.Bind(sc); err != nil {
			t.Fatal(err)
		}
		s.settle()
		want := error(io.EOF)
		if reset {
			want = syscall.ECONNRESET
		}
		if !slices.Contains(sc.events, "closed") || !errors.Is(sc.err, want) {
			t.Errorf("the protocol heard %q and %v, want %v", sc.events, sc.err, want)
		}
	}
}

// A runtime that stops asks every protocol to finish, also one that a task binds when the others were asked already.
func TestBindWhileStopping(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, p := s.conn(corenet.ConnConfig{})
	s.BeginDrain()
	s.settle()
	sc := &script{}
	if err := conn.Bind(sc); err != nil {
		t.Fatal(err)
	}
	p.Close()
	for range 100 {
		s.Turn(s.now)
	}
	if !slices.Equal(sc.events, []string{"open", "drain", "closed"}) {
		t.Errorf("the protocol heard %q", sc.events)
	}
}

// One buffer in all, and a task that does not read: the buffer must not stay with it.
func TestOneBufferIsNeverKept(t *testing.T) {
	for _, buffers := range []int{1, 2, 3} {
		s := newSimSeed(t, 0, coreruntime.Config{BufferSize: 256, Buffers: buffers, BuffersMax: buffers})
		var idle []*corenet.Conn
		for range 4 {
			conn, p := s.conn(corenet.ConnConfig{})
			mustWrite(t, p, []byte("unread"))
			s.settle()
			idle = append(idle, conn)
			defer p.Close()
		}
		conn, p := s.conn(corenet.ConnConfig{})
		s.Go("echo", func() { echo(conn) })
		mustWrite(t, p, []byte("hello"))
		s.settle()
		if got, _ := drainPeer(p); string(got) != "hello" {
			t.Fatalf("%d buffers: got %q", buffers, got)
		}
		p.Close()
		for _, c := range idle {
			c.Abort(nil)
		}
		s.settle()
	}
}
