package corenet_test

import (
	"testing"
	"time"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// sink is a Protocol that throws away what it gets.
type sink struct{ conn *corenet.Conn }

func (s *sink) Open(c *corenet.Conn)                     { s.conn = c }
func (s *sink) Data(_ time.Duration, p []byte) int       { return len(p) }
func (s *sink) EOF(time.Duration)                        { _ = s.conn.Close() }
func (s *sink) Flush(_ time.Duration, dst []byte) []byte { return dst }
func (s *sink) Drain(time.Duration)                      { _ = s.conn.Close() }
func (s *sink) Closed(time.Duration, error)              {}

// One connection gets more than the core can read, and 1,000 quiet ones ask once each. Their answers come within turns
// that are counted, and in these turns the hot one gets its share and no more. The kernel hands over at least 20
// connections at a time (f46b9cdb22f7, since 6.13; before, all).
func TestHotConnectionBesideQuietOnes(t *testing.T) {
	const conns, turnsMax, recvTurnMax = 1000, 100, 16 << 10
	cfg := coreruntime.Config{Buffers: 256, BuffersMax: 256}
	onRealCores(t, cfg, func(t *testing.T, r *realCore) {
		lc := corenet.ListenConfig{Conn: corenet.ConnConfig{RecvTurnMax: recvTurnMax}}
		_, quiet := r.serve(conns, lc, openEcho)
		_, flood := r.serve(1, lc, func() corenet.Protocol { return &sink{} })
		hot, load := flood[0], make([]byte, 1<<20)
		r.until("the flood", 10_000, func() bool {
			hot.sent(load)
			return r.count(coreruntime.BytesReceived) > 4<<20
		})
		before, answered := r.count(coreruntime.BytesReceived), r.count(coreruntime.BytesSent)+conns
		for _, c := range quiet {
			c.send([]byte{'?'})
		}
		turns := r.until("the answers", turnsMax, func() bool {
			hot.sent(load) // it is never short of bytes
			return r.count(coreruntime.BytesSent) == answered
		})
		got := r.count(coreruntime.BytesReceived) - before - conns
		t.Logf("%d turns; the hot connection received %d bytes a turn", turns, got/turns)
		if got > turns*recvTurnMax {
			t.Errorf("the hot connection received %d bytes in %d turns, at most %d a turn are meant", got, turns, recvTurnMax)
		}
		if got == 0 {
			t.Error("the hot connection received nothing meanwhile")
		}
		for _, c := range quiet {
			if p, _ := c.gotAll(1); string(p) != "?" {
				t.Fatalf("an answer is %q", p)
			}
		}
		closeAll(quiet)
		hot.close()
		r.until("the ends", 10_000, func() bool { return r.count(coreruntime.ConnsClosed) == conns+1 })
	})
}
