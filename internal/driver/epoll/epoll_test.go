package epoll

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/drivertest"
)

// server is a driver with a listener and its accepted connections.
type server struct {
	testing.TB
	d     *Driver
	lfd   int
	addr  netip.AddrPort
	out   []driver.Completion
	slot  uint32
	peers []drivertest.Peer
}

func newServer(t testing.TB, cfg Config) *server {
	d, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{TB: t, d: d, out: make([]driver.Completion, 64)}
	spec := driver.ListenSpec{Network: "tcp4", Addr: netip.MustParseAddrPort("127.0.0.1:0"), Exclusive: true}
	if s.lfd, s.addr, err = d.Listen(spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.Close()
		_ = d.CloseFD(s.lfd)
		for _, p := range s.peers {
			_ = p.Close()
		}
	})
	return s
}

func (s *server) submit(op driver.Op) driver.Token {
	s.slot++
	op.Token = driver.NewToken(1, 1, s.slot)
	s.d.Submit(op)
	return op.Token
}

func (s *server) wait(room int, timeout time.Duration) []driver.Completion {
	s.Helper()
	n, err := s.d.Wait(s.out[:room], 1, timeout)
	if err != nil {
		s.Fatal(err)
	}
	return s.out[:n]
}

// connect makes a connection and accepts it by a single accept, which takes one and leaves the rest.
func (s *server) connect() (drivertest.Peer, int) {
	s.Helper()
	p, err := drivertest.Loopback{}.Dial(s.addr)
	if err != nil {
		s.Fatal(err)
	}
	s.peers = append(s.peers, p)
	token := s.submit(driver.Op{Code: driver.Accept, FD: int32(s.lfd)})
	for range 100 {
		for _, c := range s.wait(64, time.Second) {
			if c.Token != token || c.More || c.Res < 0 {
				s.Fatalf("single accept: %+v", c)
			}
			s.Cleanup(func() { _ = s.d.CloseFD(int(c.Res)) })
			return p, int(c.Res)
		}
	}
	s.Fatal("not accepted")
	return nil, -1
}

// One Wait gives a fast descriptor one burst, and the others their turn; with less room it makes no
// more completions than it returns, so that no buffer is lent to the queue.
func TestBurst(t *testing.T) {
	s := newServer(t, Config{BufferSize: 64})
	fast, ffd := s.connect()
	slow, sfd := s.connect()
	f := s.submit(driver.Op{Code: driver.Recv, FD: int32(ffd), Multi: true})
	s.submit(driver.Op{Code: driver.Recv, FD: int32(sfd), Multi: true})
	if n, err := fast.Write(make([]byte, 64*200)); n != 64*200 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := slow.Write([]byte("x")); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	var ofFast, ofSlow int
	for range 20 { // both are readable at once, but loopback may show one before the other
		if ofSlow > 0 {
			break
		}
		ofFast = 0
		for _, c := range s.wait(64, time.Second) {
			if c.Token == f {
				ofFast++
			} else {
				ofSlow++
			}
			s.d.Recycle(c.Bid)
		}
	}
	if ofFast > recvBurstMax || ofSlow != 1 {
		t.Errorf("one Wait: %d receives of the fast one, %d of the slow one", ofFast, ofSlow)
	}
	for range 5 {
		got := s.wait(4, time.Second)
		if len(got) != 4 || s.d.done.Len() != 0 || s.d.group.Lent() != 4 {
			t.Fatalf("room for 4: got %d, %d queued, %d lent", len(got), s.d.done.Len(), s.d.group.Lent())
		}
		for _, c := range got {
			s.d.Recycle(c.Bid)
		}
	}
}

// The descriptor's queue is first come, first served, also when its middle is canceled.
func TestQueueOfOneDescriptor(t *testing.T) {
	s := newServer(t, Config{})
	p, fd := s.connect()
	var tokens []driver.Token
	for range 4 {
		tokens = append(tokens, s.submit(driver.Op{Code: driver.Recv, FD: int32(fd)}))
	}
	s.submit(driver.Op{Code: driver.Cancel, Target: tokens[1]})
	if got := s.wait(64, time.Second); len(got) != 2 || got[0].Token != tokens[1] || got[0].Errno() != unix.ECANCELED {
		t.Fatalf("cancel: %+v", got)
	}
	for _, want := range []driver.Token{tokens[0], tokens[2], tokens[3]} {
		if _, err := p.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		for n := 0; n == 0; {
			for _, c := range s.wait(64, time.Second) {
				if c.Token != want || c.Res != 1 {
					t.Fatalf("got %+v, want token %v", c, want)
				}
				s.d.Recycle(c.Bid)
				n++
			}
		}
	}
}

// Without epoll_pwait2 (old kernels, filters) timeouts are rounded up to milliseconds, never down to a
// busy loop.
func TestMillis(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want int
	}{{-1, -1}, {0, 0}, {1, 1}, {time.Millisecond, 1}, {time.Millisecond + 1, 2}, {1 << 62, 1<<31 - 1}} {
		if got := millis(tt.d); got != tt.want {
			t.Errorf("millis(%v) = %d, want %d", tt.d, got, tt.want)
		}
	}
	s := newServer(t, Config{})
	s.d.ep.noNano = true
	start := time.Now()
	s.wait(64, 1500*time.Microsecond)
	if took := time.Since(start); took < 1500*time.Microsecond {
		t.Errorf("slept %v", took)
	}
	s.connect() // events come this way too
}

// A token slot that is in flight twice is our own fault.
func TestSlotUsedTwice(t *testing.T) {
	s := newServer(t, Config{})
	op := driver.Op{Code: driver.Accept, FD: int32(s.lfd), Token: driver.NewToken(1, 1, 1)}
	s.d.Submit(op)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	op.Token = driver.NewToken(1, 2, 1)
	s.d.Submit(op)
}
