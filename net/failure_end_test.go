package corenet_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// stuck connects clients that do not read, to a Protocol that has more for each than their sockets take: every
// connection has a receive and a send with the kernel.
func (r *realCore) stuck(n int, cc corenet.ConnConfig) (conns []*script, clients []*client) {
	r.t.Helper()
	lc := corenet.ListenConfig{SendBuffer: 4 << 10, Conn: cc}
	out := pattern(1 << 20)
	ln, clients := r.serve(n, lc, func() corenet.Protocol {
		s := &script{out: out, outMax: 16 << 10}
		conns = append(conns, s)
		return s
	})
	for _, s := range conns {
		s.conn.Touch()
	}
	r.settle()
	r.until("the full sockets", 10*n+1000, func() bool { return r.Snapshot().Ops == 2*n+1 })
	r.until("the last acknowledgements", 10*n+1000, acknowledged(clients))
	if err := ln.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.settle()
	return conns, clients
}

// acknowledged becomes true when nothing has arrived for longer than the kernel delays an ACK (40 ms): one that came
// after a Close would count as a sign of life, and the test's clock waits for nobody.
func acknowledged(clients []*client) func() bool {
	const ackMax = 150 * time.Millisecond
	before, last := 0, time.Now()
	return func() bool {
		arrived := 0
		for _, c := range clients {
			n, _ := unix.IoctlGetInt(c.fd, unix.SIOCINQ)
			arrived += n
		}
		if arrived != before {
			before, last = arrived, time.Now()
		}
		return time.Since(last) > ackMax
	}
}

// Aborting 500 connections that have ops with the kernel takes a few turns, and each closes once.
func TestAbortWithOpsInFlight(t *testing.T) {
	const conns = 500
	cause := errors.New("enough")
	onRealCores(t, coreruntime.Config{}, func(t *testing.T, r *realCore) {
		stuck, clients := r.stuck(conns, corenet.ConnConfig{})
		for _, s := range stuck {
			s.conn.Abort(cause)
		}
		turns := r.until("the ends", 2*conns, func() bool { return r.Snapshot().Residents == 0 })
		t.Logf("%d turns", turns)
		for _, s := range stuck {
			if n := len(s.events); s.events[n-1] != "closed" || s.events[n-2] == "closed" || !errors.Is(s.err, cause) {
				t.Fatalf("a protocol heard %q and %v", s.events, s.err)
			}
		}
		r.nothingLeft()
		closeAll(clients)
	})
}

// Close waits for peers that take nothing as long as WriteStallMax, on the dot, and no longer.
func TestCloseWithOpsInFlight(t *testing.T) {
	const conns = 500
	onRealCores(t, coreruntime.Config{}, func(t *testing.T, r *realCore) {
		stuck, clients := r.stuck(conns, corenet.ConnConfig{WriteStallMax: time.Second, LingerMax: time.Second})
		for _, s := range stuck {
			if err := s.conn.Close(); err != nil {
				t.Fatal(err)
			}
		}
		r.now += 900 * time.Millisecond
		r.settle()
		if n := r.Snapshot().Residents; n != conns {
			t.Fatalf("%d of %d connections are left before WriteStallMax", n, conns)
		}
		r.now += 200 * time.Millisecond
		r.until("the ends", 2*conns, func() bool { return r.Snapshot().Residents == 0 })
		if n := r.count(coreruntime.WriteStalls); n != conns {
			t.Errorf("%d stalls are counted for %d connections", n, conns)
		}
		r.nothingLeft()
		closeAll(clients)
	})
}

// nothingLeft wants every op answered and every byte given back.
func (r *realCore) nothingLeft() {
	r.t.Helper()
	r.settle()
	s := r.Snapshot()
	if s.Ops != 0 || s.BuffersLent != 0 || s.ChunkBytes != 0 || s.Residents != 0 || s.Timers != 0 {
		r.t.Errorf("left: %d ops, %d buffers, %d chunk bytes, %d residents, %d timers", s.Ops, s.BuffersLent, s.ChunkBytes, s.Residents, s.Timers)
	}
	if n := r.count(coreruntime.StaleCompletions); n != 0 {
		r.t.Errorf("%d stale completions", n)
	}
}

// A stop without grace, with 2,000 connections, their tasks parked in reads and writes and a flood on its way: it ends
// within the time that tests may take, and the cores say themselves when something leaks.
func TestStopWithThousandsOfOps(t *testing.T) {
	conns := 2000
	if raceEnabled || testing.Short() {
		conns = 500
	}
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		full := pattern(1 << 20)
		ln := listen(t, rt, corenet.ListenConfig{SendBuffer: 4 << 10, Conn: corenet.ConnConfig{OutBufferMax: 16 << 10}})
		accepting, all := make(chan error, 1), make(chan struct{})
		var accepted atomic.Int32
		go func() {
			accepting <- rt.Run(func(c *coreruntime.Core) error {
				return acceptLoop(c, ln, func(conn *corenet.Conn) {
					n := accepted.Add(1)
					if int(n) == conns {
						close(all)
					}
					if n%2 == 0 {
						_, _ = conn.Write(full)
					}
					echo(conn)
				})
			})
		}()
		for i := range conns {
			c := connect(t, ln.Addr())
			if i%4 == 0 {
				c.sent(full[:64<<10])
			}
		}
		within(t, all, "the last connection")
		atOnce, cancel := context.WithDeadline(context.Background(), time.Now())
		defer cancel()
		began := time.Now()
		if err := rt.Stop(atOnce); err != nil {
			t.Error(err)
		}
		t.Logf("Stop took %v", time.Since(began))
		_ = within(t, accepting, "the accept loops") // they were ended, and say so
		if err := ln.Err(); !errors.Is(err, coreruntime.ErrStopped) {
			t.Errorf("the listener ended with %v", err)
		}
	})
}
