package corenet_test

import (
	"io"
	"testing"

	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// 20 peers always have more to send than there are buffers, so that none of them reaches RecvTurnMax in a turn; a quiet
// connection beside them gets its answer within a few turns. Armed again as multishots, the first of the starved took
// all buffers each time: on Linux 6.1 the quiet one waited for seconds.
func TestQuietConnectionBesideStarvedUploaders(t *testing.T) {
	const hogs, turnsMax = 20, 8
	for seed := range uint64(20) {
		s := newSimSeed(t, seed, coreruntime.Config{BufferSize: 512, Buffers: 64, BuffersMax: 64})
		s.world.SetGreedy(true)
		upload, quiet := s.listen(corenet.ListenConfig{}), s.listen(corenet.ListenConfig{})
		s.Go("upload", func() {
			_ = acceptLoop(s.Core, upload, func(c *corenet.Conn) {
				defer c.Close()
				_, _ = io.Copy(io.Discard, c)
			})
		})
		s.Go("quiet", func() { _ = acceptLoop(s.Core, quiet, echo) })
		var peers []*sim.Peer
		for range hogs {
			peers = append(peers, s.dial(upload))
		}
		s.settle()
		q := s.dial(quiet)
		s.settle()
		for range 10 {
			mustWrite(t, q, []byte("?"))
			if turns := answered(s, q, peers); turns > turnsMax {
				t.Errorf("seed %d: answered after %d turns, at most %d are meant", seed, turns, turnsMax)
			}
		}
		if n := s.Snapshot().Counters["starvations"]; n < hogs {
			t.Errorf("seed %d: only %d receives starved, the test proves nothing", seed, n)
		}
		_ = upload.Close()
		_ = quiet.Close()
		for _, p := range append(peers, q) {
			p.Close()
		}
		s.settle()
	}
}

// answered turns the core, with every socket of the uploaders full, until q has a byte to read.
func answered(s *simCore, q *sim.Peer, hogs []*sim.Peer) (turns int) {
	more, b := make([]byte, 64<<10), make([]byte, 1)
	for ; turns < 1000; turns++ {
		for _, p := range hogs {
			_, _ = p.Write(more) // as much as fits
		}
		s.Turn(s.now)
		if n, _ := q.Read(b); n == 1 {
			break
		}
	}
	return turns + 1
}
