package h2

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"
)

// fakeHost runs a connection and its handlers without a runtime: a handler is a goroutine that runs only while
// run waits for it (iter.Pull would pass a handler's Goexit on to the test).
type fakeHost struct {
	t       testing.TB
	clock   time.Duration
	touched bool
	pool    *pool
	c       *conn
	ready   []*fakeTask
	live    map[*fakeTask]bool
	inline  bool // handlers never park: they run without a coroutine, and without an allocation
	chunks  int  // chunks that were taken and not given back
	log     bytes.Buffer
}

func (h *fakeHost) touch()             { h.touched = true }
func (h *fakeHost) now() time.Duration { return h.clock }

// fakeTask is a stream's task on a fakeHost.
type fakeTask struct {
	h      *fakeHost
	s      *stream
	in     chan struct{} // hands the thread to the handler; nil: it does not run
	out    chan bool     // gives it back; true: the handler has ended
	parked [sides]bool
	woken  [sides]bool
	cancel error
}

var errTestCanceled = errors.New("test: task canceled")

func (t *fakeTask) check(string) error { return nil }
func (t *fakeTask) start()             { t.h.ready = append(t.h.ready, t) }

func (t *fakeTask) park(side side) error {
	t.parked[side] = true
	for !t.woken[side] && t.cancel == nil {
		t.out <- false
		<-t.in
	}
	t.parked[side], t.woken[side] = false, false
	return t.cancel
}

func (t *fakeTask) wake(side side) {
	if t.parked[side] && !t.woken[side] {
		t.woken[side] = true
		t.h.ready = append(t.h.ready, t)
	}
}

func (t *fakeTask) resume() {
	if t.h.inline {
		t.s.serve()
		return
	}
	if t.in == nil {
		t.h.live[t] = true
		t.in, t.out = make(chan struct{}), make(chan bool)
		go func() {
			<-t.in
			defer func() { t.out <- true }()
			t.s.serve()
		}()
	}
	t.in <- struct{}{}
	if ended := <-t.out; ended {
		t.in = nil
		delete(t.h.live, t)
	}
}

// newFakeHost returns a host with a connection that waits for its preface.
func newFakeHost(t testing.TB, limits Limits, handler Handler) *fakeHost {
	h := &fakeHost{t: t, clock: time.Second, live: map[*fakeTask]bool{}}
	limits = limits.withDefaults()
	if err := limits.validate(); err != nil {
		t.Fatal(err)
	}
	cfg := &connConfig{limits: limits, handler: handler, logger: slog.New(slog.NewTextHandler(&h.log, nil))}
	h.pool = newPool(func(s *stream) streamTask { return &fakeTask{h: h, s: s} },
		func(n int) []byte { h.chunks++; return make([]byte, n) },
		func([]byte) { h.chunks-- })
	h.c = newConn(cfg, h, h.pool, h.clock)
	return h
}

// run resumes tasks until none is ready.
func (h *fakeHost) run() {
	for len(h.ready) > 0 {
		t := h.ready[0]
		h.ready = append(h.ready[:0], h.ready[1:]...)
		t.resume()
	}
}

// send feeds p, in as many turns as it takes, running handlers and flushing in each, and returns the output.
func (h *fakeHost) send(p []byte) (out []byte) {
	for turns := 0; ; turns++ {
		n := h.c.feed(h.clock, p)
		p = p[n:]
		h.run()
		out = h.flush(out)
		h.check()
		if len(p) == 0 {
			return h.settle(out)
		}
		if turns > 1<<20 {
			h.t.Fatal("feed takes nothing")
		}
	}
}

// settle gives the connection turns until nothing happens any more.
func (h *fakeHost) settle(out []byte) []byte {
	for h.touched || len(h.ready) > 0 {
		h.run()
		out = h.flush(out)
		h.check()
	}
	return out
}

func (h *fakeHost) flush(out []byte) []byte {
	h.touched = false
	out = h.c.flush(h.clock, out)
	if h.c.wantFlush() {
		h.touched = true
	}
	return out
}

// advance lets time pass, expiring on the way whatever is due.
func (h *fakeHost) advance(d time.Duration) (out []byte) {
	for end := h.clock + d; ; {
		at := min(h.c.nextDeadline(), end)
		h.clock = max(h.clock, at)
		if h.c.nextDeadline() > h.clock {
			return h.settle(out)
		}
		h.c.expire(h.clock)
		out = h.settle(out)
		if h.c.state == connClosed {
			return out
		}
		if h.clock >= end && h.c.nextDeadline() <= h.clock {
			h.t.Fatal("expire does not move the deadline on")
		}
	}
}

// check asserts what must hold between any two calls.
func (h *fakeHost) check() {
	h.t.Helper()
	c := h.c
	onWire, held := 0, 0
	for _, s := range c.streams.slots {
		if s == nil {
			continue
		}
		onWire++
		if s.state.closed() || s.state == stateIdle {
			h.t.Fatalf("stream %d in the table is %v", s.id, s.state)
		}
		if c.streams.get(s.id) != s {
			h.t.Fatalf("stream %d is not found", s.id)
		}
		held += s.body.size + s.body.got + s.body.lent
	}
	if onWire != c.streams.n || c.active < onWire {
		h.t.Fatalf("table says %d streams, %d active, found %d", c.streams.n, c.active, onWire)
	}
	if c.state != connClosed && c.in.held() != held {
		h.t.Fatalf("connection window: %d octets held, streams have %d", c.in.held(), held)
	}
	if uint64(c.active) != h.pool.metrics.StreamsOpen {
		h.t.Fatalf("%d streams active, metrics say %d", c.active, h.pool.metrics.StreamsOpen)
	}
}

// end closes the connection and checks that nothing is left behind.
func (h *fakeHost) end() {
	h.t.Helper()
	h.c.close(io.EOF)
	h.run()
	for t := range h.live {
		t.cancel = errTestCanceled
		h.ready = append(h.ready, t)
	}
	h.run()
	if len(h.live) > 0 {
		h.t.Fatalf("%d handlers cannot be ended", len(h.live))
	}
	if h.c.active != 0 || h.c.streams.n != 0 {
		h.t.Fatalf("after close %d streams are active, %d in the table", h.c.active, h.c.streams.n)
	}
	if h.chunks != 0 {
		h.t.Fatalf("%d chunks leaked", h.chunks)
	}
	if n := h.pool.metrics.ConnsOpen; n != 0 {
		h.t.Fatalf("metrics say %d connections are open", n)
	}
}
