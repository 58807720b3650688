package h2

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/percore/percore/runtime"
)

var errServerClose = errors.New("h2: the server was closed by Server.Close")

// Shutdown ends the server gracefully: it stops listening, tells every client by GOAWAY in two steps, serves what was
// requested before the client knew, and returns when no connection is left, or with ctx's error. A runtime that
// the server started is stopped by ListenAndServe.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopListening()
	return s.each(ctx, (*serverCore).drain)
}

// Close ends the server at once: it stops listening and aborts every connection.
func (s *Server) Close() error {
	s.stopListening()
	return s.each(context.Background(), (*serverCore).abort)
}

func (s *Server) stopListening() {
	s.mu.Lock()
	if s.over == nil {
		s.over = make(chan struct{})
	}
	if s.closedError() == nil {
		close(s.over)
		s.ended = make(chan struct{})
	}
	listeners := slices.Collect(maps.Keys(s.listeners))
	s.mu.Unlock() // Close waits for the cores, and a handler there may wait for mu in Metrics
	for _, ln := range listeners {
		ln.Close()
	}
}

// each runs end on every core and waits until none has a connection left. Accepting has stopped, but a connection
// that was being opened may still appear: serverCore.closing sends it off.
func (s *Server) each(ctx context.Context, end func(*serverCore)) error {
	defer s.stopped()
	s.mu.Lock()
	cores := s.cores
	s.mu.Unlock()
	empty := make(chan struct{}, len(cores))
	for _, k := range cores {
		err := k.core.Post(func() {
			k.whenEmpty(func() { empty <- struct{}{} })
			end(k)
		})
		if err != nil {
			empty <- struct{}{} // the runtime has stopped, and all of its connections with it
		}
	}
	for range cores {
		select {
		case <-empty:
		case <-s.runtimeDone():
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// stopped notes that a Shutdown or Close has ended.
func (s *Server) stopped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
	default:
		close(s.ended)
	}
}

func (s *Server) runtimeDone() <-chan struct{} {
	if s.rt == nil {
		return nil
	}
	return s.rt.Done()
}

// serverCore is what one server has on one core: its connections and what they share.
type serverCore struct {
	core *coreruntime.Core
	cfg  *connConfig
	pool *pool

	first   *serverConn // all open connections
	open    int
	closing bool     // new connections are turned away
	empty   []func() // called when no connection is left

	dateUntil time.Duration // pool.date holds until then
	badLogged time.Duration // when a bad preface was logged last
	badCount  int           // ... and how many were not

	published publishedMetrics
}

func newServerCore(core *coreruntime.Core, cfg *connConfig) *serverCore {
	k := &serverCore{core: core, cfg: cfg}
	newTask := func(s *stream) streamTask { return &serverTask{s: s, core: core} }
	k.pool = newPool(newTask, core.Chunk, core.FreeChunk)
	return k
}

func (k *serverCore) add(p *serverConn) {
	k.open++
	p.next = k.first
	if p.next != nil {
		p.next.prev = p
	}
	k.first = p
}

func (k *serverCore) remove(p *serverConn) {
	k.open--
	if p.prev == nil {
		k.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	}
	p.next, p.prev = nil, nil
	k.tellEmpty()
}

func (k *serverCore) whenEmpty(fn func()) { k.empty = append(k.empty, fn) }

func (k *serverCore) tellEmpty() {
	if k.open > 0 || !k.closing {
		return
	}
	for _, fn := range k.empty {
		fn()
	}
	k.empty = nil
}

func (k *serverCore) drain() {
	k.closing = true
	for p, next := k.first, (*serverConn)(nil); p != nil; p = next {
		next = p.next
		p.Drain(k.core.Now())
	}
	k.tellEmpty()
}

func (k *serverCore) abort() {
	k.closing = true
	for p, next := k.first, (*serverConn)(nil); p != nil; p = next {
		next = p.next
		p.net.Abort(errServerClose)
	}
	k.tellEmpty()
}

// dateMax is how long one date value may be used: it has no fraction of a second (RFC 9110 section 6.6.1).
const dateMax = time.Second

// tick keeps the date value.
func (k *serverCore) tick(now time.Duration) {
	if now < k.dateUntil {
		return
	}
	wall := k.core.WallTime()
	k.dateUntil = now + dateMax - time.Duration(wall.Nanosecond())
	k.pool.date = wall.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}
