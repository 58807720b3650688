package corenet_test

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

func openEcho() corenet.Protocol { return &echoProtocol{} }

// exchangeAll lets every client send size bytes at once and wants each one's own back.
func (r *realCore) exchangeAll(clients []*client, size, turnsMax int) (turns int) {
	r.t.Helper()
	was := r.count(coreruntime.BytesSent)
	all := pattern(size + len(clients))
	for i, c := range clients {
		c.send(all[i : i+size])
	}
	turns = r.until("the answers", turnsMax, func() bool { return r.count(coreruntime.BytesSent) == was+size*len(clients) })
	for i, c := range clients {
		got, eof := c.gotAll(size)
		if eof {
			r.t.Fatalf("connection %d was closed", i)
		}
		wantBytes(r.t, got, all[i:i+size])
	}
	return turns
}

// A completion queue of 16 entries for 400 connections: the kernel keeps what does not fit and ends multishots for it.
// Nothing may be lost, and accepting and receiving go on.
func TestCompletionQueueOverflows(t *testing.T) {
	const conns = 400
	cfg := coreruntime.Config{Entries: 8, CQEntries: 16}
	onRealCores(t, cfg, func(t *testing.T, r *realCore) {
		recvs := map[driver.Token]bool{}
		cut := 0 // multishots that ended with a good result
		r.spy.onSubmit = func(op driver.Op) bool {
			if op.Multi {
				recvs[op.Token] = true
			}
			return false
		}
		r.spy.onDone = func(c driver.Completion) {
			if recvs[c.Token] && !c.More && c.Res > 0 {
				cut++
			}
		}
		ln, clients := r.serve(conns, corenet.ListenConfig{}, openEcho)
		for range 3 {
			r.exchangeAll(clients, 100, 10*conns)
		}
		more := r.connect(ln, 50) // accepting is armed again
		r.exchangeAll(append(clients, more...), 1000, 10*conns)
		d := r.Driver().Counters()
		t.Logf("%d overflows, %d multishots cut, queue full %d times", d.Overflows, cut, d.QueueFull)
		if d.Overflows == 0 && r.Driver().Kind() == driver.Uring {
			t.Error("the queue has not overflowed: the test proves nothing")
		}
		if n := r.count(coreruntime.StaleCompletions); n != 0 {
			t.Errorf("%d stale completions", n)
		}
		closeAll(clients)
		closeAll(more)
		r.until("the ends", 10*conns, func() bool { return r.count(coreruntime.ConnsClosed) == conns+len(more) })
	})
}

// 1,000 connections get something at once, and there are four buffers. They are served in the order in which they were
// found wanting, each is armed once for each time, and the core comes to rest.
func TestStarvedConnectionsOnRealDrivers(t *testing.T) {
	const conns = 1000
	cfg := coreruntime.Config{BufferSize: 1024, Buffers: 4, BuffersMax: 4}
	onRealCores(t, cfg, func(t *testing.T, r *realCore) {
		fds := map[driver.Token]int32{}
		var wanting, armed []int32 // descriptors, in order
		starved := map[int32]bool{}
		r.spy.onSubmit = func(op driver.Op) bool {
			if op.Code == driver.Recv {
				fds[op.Token] = op.FD
				if starved[op.FD] {
					starved[op.FD] = false
					armed = append(armed, op.FD)
				}
			}
			return false
		}
		r.spy.onDone = func(c driver.Completion) {
			if c.Errno() == unix.ENOBUFS {
				fd := fds[c.Token]
				wanting, starved[fd] = append(wanting, fd), true
			}
		}
		_, clients := r.serve(conns, corenet.ListenConfig{}, openEcho)
		turns := r.exchangeAll(clients, 100, 2*conns)
		r.settle()
		t.Logf("%d receives starved, %d turns", len(wanting), turns)
		if len(wanting) < conns/2 {
			t.Fatalf("only %d receives starved: the test proves nothing", len(wanting))
		}
		if len(wanting) > 2*conns {
			t.Errorf("receives starved %d times: they are armed while there is nothing for them", len(wanting))
		}
		if !slices.Equal(wanting, armed) {
			t.Errorf("found wanting: %v\narmed again:   %v", wanting, armed)
		}
		closeAll(clients)
		r.until("the ends", 100*conns, func() bool { return r.count(coreruntime.ConnsClosed) == conns })
	})
}
