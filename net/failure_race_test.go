package corenet_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// Cancels of every kind race with data: receiving is disarmed after every few KiB, deadlines pass, connections leave by
// Detach, close, abort, or are closed by other goroutines, while their peers send, reset and read their own bytes back.
// What arrives is always the right bytes in order, and the cores hold nothing afterwards.
func TestEndsRaceWithData(t *testing.T) {
	conns := 200
	if testing.Short() {
		conns = 100
	}
	onDrivers(t, coreruntime.Config{Buffers: 64, BuffersMax: 64, BufferSize: 1024}, func(t *testing.T, rt *coreruntime.Runtime) {
		lc := corenet.ListenConfig{Conn: corenet.ConnConfig{RecvTurnMax: 4 << 10, OutBufferMax: 16 << 10, LingerMax: 100 * time.Millisecond}}
		var ends [6]atomic.Int32
		want := pattern(1 << 17)
		ln := serve(t, rt, lc, func(c *corenet.Conn) {
			r := rand.New(rand.NewPCG(uint64(c.RemoteAddr().(*net.TCPAddr).Port), 9))
			end := r.IntN(len(ends))
			ends[end].Add(1)
			s := &racer{t: t, c: c, r: r, want: want}
			s.run(end)
		})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), 11))
				for range conns / 20 {
					raceClient(t, ln.Addr(), r, want)
				}
			})
		}
		wg.Wait()
		quietCores(t, rt, 1)
		for i := range ends {
			if ends[i].Load() == 0 {
				t.Errorf("no connection ended in the way %d", i)
			}
		}
	})
}

// raceClient sends and reads its bytes back until somebody ends it.
func raceClient(t *testing.T, addr net.Addr, r *rand.Rand, want []byte) {
	nc, err := net.DialTimeout("tcp", addr.String(), testMax)
	if err != nil {
		t.Errorf("dial: %v", err)
		return
	}
	c := nc.(*net.TCPConn)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(testMax))
	own := rand.New(rand.NewPCG(r.Uint64(), 1))
	var wg sync.WaitGroup
	wg.Go(func() {
		for p := want; len(p) > 0; {
			n := min(len(p), 1+own.IntN(16<<10))
			if _, err := c.Write(p[:n]); err != nil {
				return
			}
			p = p[n:]
		}
		_ = c.CloseWrite()
	})
	most := int64(len(want))
	if r.IntN(3) == 0 { // resets at any byte
		most = r.Int64N(most)
	}
	got, _ := io.ReadAll(io.LimitReader(c, most))
	wantBytes(t, got, want[:len(got)])
	if most < int64(len(want)) {
		_ = c.SetLinger(0)
		c.Close()
	}
	wg.Wait()
}

// racer is the server's side of one connection: it checks and echoes.
type racer struct {
	t    *testing.T
	c    *corenet.Conn
	r    *rand.Rand
	want []byte
	off  int
}

// run ends the connection in one of six ways.
func (s *racer) run(end int) {
	switch end {
	case 0: // the peer ends
		s.echo(len(s.want) + 1)
		_ = s.c.Close()
	case 1:
		s.echo(s.r.IntN(len(s.want)))
		_ = s.c.Close()
	case 2:
		s.echo(s.r.IntN(len(s.want)))
		s.c.Abort(errors.New("enough"))
	case 3: // another goroutine
		time.AfterFunc(time.Duration(s.r.IntN(3000))*time.Microsecond, func() { _ = s.c.Close() })
		s.echo(len(s.want) + 1)
		_ = s.c.Close()
	case 4:
		s.echo(s.r.IntN(len(s.want)))
		s.leave()
	case 5: // a relay that loses its deadline
		_ = s.c.SetReadDeadline(time.Now().Add(time.Duration(s.r.IntN(2000)) * time.Microsecond))
		n, _ := io.Copy(s.c, s.c)
		s.off += int(n)
		_ = s.c.SetReadDeadline(time.Time{})
		s.echo(s.r.IntN(len(s.want)))
		_ = s.c.Close()
	}
}

// echo reads and writes back until n bytes have passed, with deadlines that pass all the time.
func (s *racer) echo(n int) {
	buf := make([]byte, 3000)
	for s.off < n {
		_ = s.c.SetReadDeadline(time.Now().Add(time.Duration(s.r.IntN(500)) * time.Microsecond))
		k, err := s.c.Read(buf)
		if !s.check(buf[:k]) {
			return
		}
		if _, werr := s.c.Write(buf[:k]); werr != nil {
			return
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
	_ = s.c.SetReadDeadline(time.Time{})
}

func (s *racer) check(p []byte) bool {
	if s.off+len(p) > len(s.want) || string(p) != string(s.want[s.off:s.off+len(p)]) {
		s.t.Errorf("%d bytes from %d on are not those that were sent", len(p), s.off)
		return false
	}
	s.off += len(p)
	return true
}

// leave detaches, and goes on outside: no byte may be missing or come twice.
func (s *racer) leave() {
	std, err := s.c.Std()
	if err != nil {
		_ = s.c.Close()
		return
	}
	_, err = coreruntime.Offload(s.c.Core(), func() (int, error) {
		defer std.Close()
		_ = std.SetDeadline(time.Now().Add(testMax))
		for buf := make([]byte, 3000); ; {
			k, err := std.Read(buf)
			if !s.check(buf[:k]) || err != nil {
				return 0, err
			}
			if _, err := std.Write(buf[:k]); err != nil {
				return 0, err
			}
		}
	})
	if err == nil {
		s.t.Error("a detached connection has no end")
	}
}
