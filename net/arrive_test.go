package corenet

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/runtime"
)

// greeter sends one byte and goes on until the peer ends.
type greeter struct{ conn *Conn }

func (p *greeter) Open(c *Conn)                       { p.conn = c; c.Touch() }
func (p *greeter) Data(_ time.Duration, b []byte) int { return len(b) }
func (p *greeter) EOF(time.Duration)                  { _ = p.conn.Close() }
func (p *greeter) Drain(time.Duration)                { _ = p.conn.Close() }
func (p *greeter) Closed(time.Duration, error)        {}
func (p *greeter) Flush(_ time.Duration, dst []byte) []byte {
	return append(dst, 'x')
}

// A letter that was pushed just before the core took its last look is read when no op can be submitted any
// more. Its connection goes back to the core that sent it; when that has ended as well, it is closed.
func TestMailOfAnEndedCoreGoesBack(t *testing.T) {
	for name, senderEnds := range map[string]bool{"to its sender": false, "to an end": true} {
		t.Run(name, func(t *testing.T) {
			w := sim.New(0)
			cores := coreruntime.NewManuals(coreruntime.Config{Logger: slog.New(slog.DiscardHandler)},
				w.Driver(0, sim.Config{}), w.Driver(1, sim.Config{}))
			ln, err := Listen(cores[0].Runtime(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if err := ln.Serve(func(*coreruntime.Core) Protocol { return &greeter{} }); err != nil {
				t.Fatal(err)
			}
			from, to := ln.members[0], ln.members[1]
			peer, fd := accepted(t, w, cores[0])
			end(cores[1])
			if senderEnds {
				end(cores[0])
			}
			if !to.reserve() || !to.mail(fd, from) {
				t.Fatal("the mailbox takes nothing")
			}
			closeCore(t, cores[1])
			if !senderEnds {
				turn(cores[0], 5)
				wantGreeting(t, peer, from)
			}
			peer.Close()
			closeCore(t, cores[0])
			if n := w.OpenFDs(); n != 0 || cores[0].Conns() != 0 || cores[1].Conns() != 0 {
				t.Errorf("%d descriptors are open, %d and %d connections counted", n, cores[0].Conns(), cores[1].Conns())
			}
		})
	}
}

// A closed member is not marked as paused any more, or the end of every connection would look for it.
func TestCloseEndsAPause(t *testing.T) {
	w := sim.New(0)
	c := coreruntime.NewManual(coreruntime.Config{Logger: slog.New(slog.DiscardHandler)}, w.Driver(0, sim.Config{}))
	ln, err := ListenConfig{ConnsMax: 1}.Listen(c.Runtime(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Serve(func(*coreruntime.Core) Protocol { return &greeter{} }); err != nil {
		t.Fatal(err)
	}
	peer, err := w.Dial(ln.Addr().(*net.TCPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	turn(c, 5)
	if n := ln.paused.Load(); n != 1 {
		t.Errorf("%d members are paused, want 1", n)
	}
	_ = ln.Close()
	if n := ln.paused.Load(); n != 0 || ln.members[0].gauge.paused.Load() {
		t.Errorf("%d members are paused after Close", n)
	}
	peer.Close()
	closeCore(t, c)
}

// Cores that reserve the last places of a member at the same time get no more than there are.
func TestReserveKeepsConnsMax(t *testing.T) {
	c := coreruntime.NewManual(coreruntime.Config{}, sim.New(0).Driver(0, sim.Config{}))
	m := &CoreListener{core: c, group: &Listener{connsMax: 1000}}
	var wg sync.WaitGroup
	var got atomic.Int64
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				if m.reserve() {
					got.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got.Load() != 1000 || m.Conns() != 1000 || c.Conns() != 1000 {
		t.Errorf("%d reserved, %d and %d counted, ConnsMax is 1000", got.Load(), m.Conns(), c.Conns())
	}
	closeCore(t, c)
}

func wantGreeting(t *testing.T, peer *sim.Peer, m *CoreListener) {
	t.Helper()
	buf := make([]byte, 2)
	if n, err := peer.Read(buf); n != 1 || err != nil || m.Conns() != 1 {
		t.Errorf("the peer got %d bytes, %v; %d connections", n, err, m.Conns())
	}
}

// accepted returns the two ends of a connection that no core has.
func accepted(t *testing.T, w *sim.World, c *coreruntime.Core) (peer *sim.Peer, fd int) {
	t.Helper()
	ln, err := Listen(c.Runtime(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if peer, err = w.Dial(ln.Addr().(*net.TCPAddr).AddrPort()); err != nil {
		t.Fatal(err)
	}
	c.Go("accept", func() {
		conn, err := ln.On(c).Accept()
		if err != nil {
			t.Error(err)
			return
		}
		d, err := conn.Detach()
		if err != nil {
			t.Error(err)
			return
		}
		fd = d.FD
	})
	turn(c, 10)
	_ = ln.Close()
	turn(c, 10)
	return peer, fd
}

func closeCore(t *testing.T, c *coreruntime.Core) {
	t.Helper()
	if err := c.CloseManual(); err != nil {
		t.Error(err)
	}
}

func turn(c *coreruntime.Core, n int) {
	for range n {
		c.Turn(0)
	}
}

// end drains a core until it would end with its next look.
func end(c *coreruntime.Core) {
	c.BeginDrain()
	turn(c, 20)
}
