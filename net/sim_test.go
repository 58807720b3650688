package corenet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

func mustWrite(t testing.TB, p *sim.Peer, b []byte) {
	t.Helper()
	if n, err := p.Write(b); n != len(b) || err != nil {
		t.Fatalf("peer wrote %d of %d bytes: %v", n, len(b), err)
	}
}

func TestReadKeepsWhatArrivedBeforeAnErrorOrTimeout(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, p := s.conn(corenet.ConnConfig{})
	buf := make([]byte, 3)
	var err error
	s.task(func() {
		_ = conn.SetReadDeadline(time.Now().Add(-time.Second))
		mustWrite(t, p, []byte("hello"))
		_, err = conn.Read(buf)
	})
	var ne net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("passed deadline: %v", err)
	}
	var n int
	s.task(func() {
		_ = conn.SetReadDeadline(time.Time{})
		n, err = conn.Read(buf)
	})
	if n != 3 || err != nil || string(buf) != "hel" {
		t.Fatalf("got %q %v", buf[:n], err)
	}
	if err := p.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	s.settle()
	var errs [2]error
	s.task(func() {
		n, errs[0] = conn.Read(buf)
		_, errs[1] = conn.Read(buf)
	})
	if n != 2 || errs[0] != nil || errs[1] != io.EOF {
		t.Errorf("rest: %d %v, then %v", n, errs[0], errs[1])
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	s.settle()
}

func TestDeadlineWakesAParkedReadAndTheNextOneWorks(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, p := s.conn(corenet.ConnConfig{})
	var err error
	done := 0
	s.task(func() {
		_ = conn.SetReadDeadline(s.WallTime().Add(50 * time.Millisecond))
		_, err = conn.Read(make([]byte, 1))
		done++
	})
	s.pass(49 * time.Millisecond)
	if done != 0 {
		t.Fatal("the read returned before its deadline")
	}
	s.pass(3 * time.Millisecond)
	if done != 1 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("done %d, err %v", done, err)
	}
	s.task(func() {
		_ = conn.SetReadDeadline(time.Time{})
		_, err = conn.Read(make([]byte, 1))
		done++
	})
	mustWrite(t, p, []byte("x"))
	s.settle()
	if done != 2 || err != nil {
		t.Errorf("done %d, err %v", done, err)
	}
}

func TestASecondReaderIsRefused(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, p := s.conn(corenet.ConnConfig{})
	var first, second error
	s.task(func() { _, first = conn.Read(make([]byte, 1)) })
	s.task(func() { _, second = conn.Read(make([]byte, 1)) })
	var op *net.OpError
	if !errors.As(second, &op) || op.Op != "read" {
		t.Errorf("second reader: %v", second)
	}
	mustWrite(t, p, []byte("x"))
	s.settle()
	if first != nil {
		t.Errorf("first reader: %v", first)
	}
}

func TestACanceledTaskGetsTheCauseAndNothingIsLost(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, p := s.conn(corenet.ConnConfig{})
	cause := errors.New("no more")
	var err error
	task := s.Go("reader", func() { _, err = conn.Read(make([]byte, 1)) })
	s.settle()
	mustWrite(t, p, []byte("kept"))
	task.Cancel(cause)
	s.settle()
	if !errors.Is(err, cause) {
		t.Errorf("canceled read: %v", err)
	}
	buf := make([]byte, 8)
	n := 0
	s.task(func() { n, err = conn.Read(buf) })
	if string(buf[:n]) != "kept" || err != nil {
		t.Errorf("after the cancel: %q %v", buf[:n], err)
	}
}

func TestWriteParksWhenTheOutBufferIsFullAndGoesOnAtHalf(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	s.world.SetBuffers(8<<10, 8<<10)
	conn, p := s.conn(corenet.ConnConfig{OutBufferMax: 64 << 10})
	want := pattern(300 << 10)
	wrote, werr := 0, error(nil)
	done := false
	s.task(func() { wrote, werr = conn.Write(want); done = true })
	if done {
		t.Fatal("Write did not park on a full buffer")
	}
	if n := conn.OutBuffered(); n > 64<<10 {
		t.Errorf("%d bytes are buffered, OutBufferMax is %d", n, 64<<10)
	}
	var got []byte
	for n := 0; len(got) < len(want) && n < 10_000; n++ {
		b, err := drainPeer(p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b...)
		s.settle()
	}
	wantBytes(t, got, want)
	if !done || wrote != len(want) || werr != nil {
		t.Errorf("done %v, wrote %d, err %v", done, wrote, werr)
	}
}

func TestWriteStallAborts(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	s.world.SetBuffers(4<<10, 4<<10)
	conn, p := s.conn(corenet.ConnConfig{OutBufferMax: 16 << 10, WriteStallMax: time.Second})
	var err error
	s.task(func() { _, err = conn.Write(pattern(100 << 10)) })
	s.pass(900 * time.Millisecond)
	if _, rerr := p.Read(make([]byte, 1024)); rerr != nil { // progress starts the time anew
		t.Fatal(rerr)
	}
	s.pass(500 * time.Millisecond)
	if err != nil {
		t.Fatalf("aborted in spite of progress: %v", err)
	}
	s.pass(1200 * time.Millisecond)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("stalled write: %v", err)
	}
	if _, err := drainPeer(p); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer saw %v, want a reset", err)
	}
}

func TestLingerMaxEndsAClosePeersIgnore(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, p := s.conn(corenet.ConnConfig{LingerMax: time.Second})
	s.task(func() {
		_, _ = conn.Write([]byte("bye"))
		_ = conn.Close()
	})
	if s.world.OpenFDs() != 1 {
		t.Fatalf("%d descriptors open while lingering", s.world.OpenFDs())
	}
	got, err := drainPeer(p)
	if string(got) != "bye" || err != io.EOF {
		t.Errorf("peer got %q, %v", got, err)
	}
	s.pass(1100 * time.Millisecond)
	if n := s.world.OpenFDs(); n != 0 {
		t.Errorf("%d descriptors open after LingerMax", n)
	}
}

func TestLingerBytesMaxEndsAClose(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, p := s.conn(corenet.ConnConfig{LingerBytesMax: 10000})
	s.task(func() { _ = conn.Close() })
	for range 4 {
		_, _ = p.Write(pattern(4096))
		s.settle()
	}
	if n := s.world.OpenFDs(); n != 0 {
		t.Errorf("%d descriptors open after LingerBytesMax", n)
	}
}

func TestAbortResetsThePeer(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, p := s.conn(corenet.ConnConfig{})
	cause := errors.New("enough")
	var err error
	s.task(func() { _, err = conn.Read(make([]byte, 1)) })
	s.task(func() { conn.Abort(cause) })
	if !errors.Is(err, cause) {
		t.Errorf("parked read: %v", err)
	}
	if _, err := drainPeer(p); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer saw %v, want a reset", err)
	}
	if s.world.OpenFDs() != 0 {
		t.Error("the descriptor is still open")
	}
}

func TestReadSeesTheReset(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	conn, p := s.conn(corenet.ConnConfig{})
	var err error
	_ = conn.RemoteAddr() // once known, it stays in the errors: a socket that was reset has no peer any more
	s.task(func() { _, err = conn.Read(make([]byte, 1)) })
	if err := p.Reset(); err != nil {
		t.Fatal(err)
	}
	s.settle()
	var op *net.OpError
	if !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &op) || op.Addr.String() != p.LocalAddr().String() {
		t.Errorf("got %v", err)
	}
	_ = conn.Close()
	s.settle()
}

func TestHalfClose(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	s.world.SetBuffers(4<<10, 4<<10)
	conn, p := s.conn(corenet.ConnConfig{})
	want := pattern(50 << 10)
	var errs [3]error
	s.task(func() {
		_, errs[0] = conn.Write(want) // most of it waits: the end of file must come after it
		errs[1] = conn.CloseWrite()
		_, errs[2] = conn.Write([]byte("late"))
	})
	if errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], syscall.EPIPE) {
		t.Errorf("errors: %v", errs)
	}
	var got []byte
	for range 10_000 {
		b, err := drainPeer(p)
		got = append(got, b...)
		s.settle()
		if err != nil {
			if err != io.EOF {
				t.Error(err)
			}
			break
		}
	}
	wantBytes(t, got, want)
	mustWrite(t, p, []byte("still"))
	s.settle()
	buf := make([]byte, 8)
	n := 0
	s.task(func() { n, _ = conn.Read(buf) })
	if string(buf[:n]) != "still" {
		t.Errorf("the other direction gave %q", buf[:n])
	}
}

// 40 connections get a byte in the same turn and there are 16 buffers: the rest starves, and is fed first
// come first served, each armed again once.
func TestStarvedConnectionsAreFedInOrder(t *testing.T) {
	const conns = 40
	s := newSimSeed(t, 0, coreruntime.Config{BufferSize: 512, Buffers: 16, BuffersMax: 16})
	ln := s.listen(corenet.ListenConfig{})
	var order, want []byte
	s.Go("accept", func() {
		_ = acceptLoop(s.Core, ln, func(c *corenet.Conn) {
			defer c.Close()
			b := make([]byte, 1)
			if _, err := c.Read(b); err == nil {
				order = append(order, b[0])
			}
			_, _ = c.Read(b)
		})
	})
	var peers []*sim.Peer
	for range conns {
		peers = append(peers, s.dial(ln))
		s.settle()
	}
	before := s.drv.Counters().Submitted
	for i, p := range peers {
		want = append(want, byte('A'+i))
		mustWrite(t, p, want[i:])
	}
	s.settle()
	starved := s.Snapshot().Counters["starvations"]
	if starved < conns-16 {
		t.Fatalf("only %d receives starved, the test proves nothing", starved)
	}
	if !bytes.Equal(order, want) {
		t.Errorf("fed in the order %q, want %q", order, want)
	}
	if n := s.drv.Counters().Submitted - before; n > 2*starved {
		t.Errorf("%d ops for %d starved receives: two are enough for each", n, starved)
	}
	_ = ln.Close()
	for _, p := range peers {
		p.Close()
	}
	s.settle()
}

// stingy takes a few bytes and fails then.
type stingy struct{ n int }

func (w *stingy) Write(p []byte) (int, error) {
	n := min(len(p), w.n)
	w.n -= n
	if n < len(p) {
		return n, io.ErrNoProgress
	}
	return n, nil
}

func TestWriteToKeepsWhatTheWriterDidNotTake(t *testing.T) {
	s := newSim(t, coreruntime.Config{BufferSize: 256})
	conn, p := s.conn(corenet.ConnConfig{})
	want := pattern(2000)
	mustWrite(t, p, want)
	_ = p.CloseWrite()
	s.settle()
	var n int64
	var err, rerr error
	var rest []byte
	s.task(func() {
		n, err = conn.WriteTo(&stingy{n: 700})
		rest, rerr = io.ReadAll(conn)
	})
	if n != 700 || err != io.ErrNoProgress || rerr != nil {
		t.Errorf("WriteTo: %d %v, then %v", n, err, rerr)
	}
	wantBytes(t, rest, want[700:])
}

// A writer that parks while the connection is closed under it still has its bytes: their buffer goes back
// only afterwards.
func TestCloseDuringWriteTo(t *testing.T) {
	s := newSimSeed(t, 0, coreruntime.Config{}) // does not split the bytes
	conn, p := s.conn(corenet.ConnConfig{})
	mustWrite(t, p, []byte("held"))
	s.settle()
	w := &sleeper{s: s}
	var err error
	s.Go("copy", func() { _, err = conn.WriteTo(w) })
	s.settle()
	_ = conn.Close()
	p.Close()
	s.settle()
	if n := s.Snapshot().BuffersLent; n != 1 {
		t.Errorf("%d buffers are lent while the writer has one", n)
	}
	s.pass(20 * time.Millisecond)
	if string(w.got) != "held" || !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %q, %v", w.got, err)
	}
	if n := s.Snapshot().BuffersLent; n != 0 {
		t.Errorf("%d buffers are lent at the end", n)
	}
}

// sleeper is a writer that parks before it looks at its bytes.
type sleeper struct {
	s   *simCore
	got []byte
}

func (w *sleeper) Write(p []byte) (int, error) {
	err := w.s.Sleep(10 * time.Millisecond)
	w.got = append(w.got, p...)
	return len(p), err
}

func TestAcceptBacksOffWithoutDescriptors(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	ln := s.listen(corenet.ListenConfig{})
	accepted := 0
	s.Go("accept", func() {
		for {
			c, err := ln.On(s.Core).Accept()
			if err != nil {
				return
			}
			accepted++
			_ = c.Close()
		}
	})
	s.settle()
	s.world.SetDescriptorsMax(1)
	p := s.dial(ln)
	s.settle()
	submitted := s.drv.Counters().Submitted
	s.pass(2 * time.Second)
	if n := s.drv.Counters().Submitted - submitted; n == 0 || n > 12 {
		t.Errorf("%d accepts were armed in 2 s without descriptors; doubling from 5 ms to 1 s makes about 9", n)
	}
	s.world.SetDescriptorsMax(100)
	s.pass(1100 * time.Millisecond)
	if accepted != 1 {
		t.Errorf("accepted %d connections after descriptors came back", accepted)
	}
	p.Close()
	_ = ln.Close()
	s.settle()
}

func TestAcceptedMaxLeavesTheRestInTheBacklog(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	ln := s.listen(corenet.ListenConfig{AcceptedMax: 4})
	got := 0
	next := func() {
		c, err := ln.On(s.Core).Accept()
		if err != nil {
			t.Error(err)
			return
		}
		got++
		_ = c.Close()
	}
	s.task(next) // parks, arms
	var peers []*sim.Peer
	for range 40 {
		peers = append(peers, s.dial(ln))
	}
	s.settle()
	for got < len(peers) {
		was := got
		s.task(next)
		if got == was {
			t.Fatalf("accepted %d of %d", got, len(peers))
		}
	}
	for _, p := range peers {
		p.Close()
	}
	_ = ln.Close()
	s.settle()
}

func TestListenerCloseLeavesNoDescriptor(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	ln := s.listen(corenet.ListenConfig{})
	var err error
	s.task(func() {
		c, _ := ln.On(s.Core).Accept()
		_ = c.Close()
	})
	for range 5 { // one is accepted by the task, the others wait
		s.dial(ln)
	}
	s.settle()
	s.dial(ln) // on its way while Close runs
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	s.task(func() { _, err = ln.On(s.Core).Accept() })
	if !errors.Is(err, net.ErrClosed) || !errors.Is(ln.Close(), net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	s.pass(6 * time.Second)
	if n := s.world.OpenFDs(); n != 0 {
		t.Errorf("%d descriptors are open", n)
	}
}

func TestDetachAndCancel(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	s.world.SetBuffers(4<<10, 4<<10)
	conn, p := s.conn(corenet.ConnConfig{})
	var err error
	var d *corenet.Detached
	var task *coreruntime.Task
	out := pattern(20 << 10)
	s.task(func() { _, _ = conn.Write(out) }) // more than the socket takes: Detach must wait for it
	task = s.Go("detach", func() { d, err = conn.Detach() })
	s.settle()
	task.Cancel(nil)
	s.settle()
	if !errors.Is(err, context.Canceled) || d != nil {
		t.Fatalf("canceled detach: %v %v", d, err)
	}
	mustWrite(t, p, []byte("unread"))
	s.settle()
	s.Go("detach", func() { d, err = conn.Detach() })
	var got []byte
	for range 20 {
		s.settle()
		b, _ := drainPeer(p)
		got = append(got, b...)
	}
	wantBytes(t, got, out)
	if err != nil || d == nil || string(d.Unread) != "unread" {
		t.Fatalf("detach: %v %v", d, err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after detach: %v", err)
	}
	if err := s.Driver().CloseFD(d.FD); err != nil {
		t.Error(err)
	}
}

func TestDialInTheSim(t *testing.T) {
	s := newSim(t, coreruntime.Config{})
	pl, err := s.world.Listen(mustAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	var conn *corenet.Conn
	s.task(func() { conn, err = corenet.Dial(s.Core, context.Background(), "tcp", pl.Addr().String()) })
	if err != nil {
		t.Fatal(err)
	}
	p := pl.Accept()
	if p == nil {
		t.Fatal("nothing was dialed")
	}
	s.task(func() { _, _ = conn.Write([]byte("hi")); _ = conn.Close() })
	got, _ := drainPeer(p)
	if string(got) != "hi" {
		t.Errorf("peer got %q", got)
	}
	p.Close()
	pl.Close()
	s.settle()
	s.task(func() { _, err = corenet.Dial(s.Core, context.Background(), "tcp", "127.0.0.1:9") })
	var op *net.OpError
	if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("refused dial: %v", err)
	}
}
