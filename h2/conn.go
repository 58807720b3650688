package h2

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// connState is how far a connection has come. It only moves down this list.
type connState uint8

const (
	// connPreface: the client's preface is awaited. Nothing was sent yet.
	connPreface connState = iota
	// connSettings: our SETTINGS were sent, the client's first ones are awaited.
	connSettings
	// connOpen: requests are served.
	connOpen
	// connGoingAway: we announced the end in two steps (goaway.go); the streams below it are finished.
	connGoingAway
	// connClosed: nothing is received any more, no stream is left; what is in ctrl is the last we send.
	connClosed
)

// connHost is what a connection needs from its surroundings: server.go, or a test.
type connHost interface {
	// touch asks for a flush at the end of this turn.
	touch()
	// now is the time of this turn.
	now() time.Duration
}

// connConfig is shared by all connections of a server and never written to.
type connConfig struct {
	limits  Limits // complete and valid
	handler Handler
	logger  *slog.Logger
}

// conn is the server side of one HTTP/2 connection (RFC 9113) without any I/O: bytes in by feed, bytes out by
// flush, time by the argument now. It belongs to one core; all its methods, and those of its streams, run there,
// either in the core's dispatch (feed, flush, expire, goAway, close) or in a task (Body, Response).
//
//	feed --> frameReader --> conn_recv*.go --> stream, body --> task: handler
//	            |                   |                              |
//	            v                   v                              v
//	          faults          ctrl: SETTINGS, PING, WU, RST     response
//	                                |                              |
//	flush <-------------------------+--------- sched.go <----------+
type conn struct {
	host connHost
	pool *pool
	cfg  *connConfig

	state   connState
	drained bool // the last GOAWAY of goAway was sent, or eof
	eof     bool // the client ended its direction

	preface prefaceReader
	reader  frameReader
	dec     blockDecoder
	enc     blockEncoder
	block   fieldBlock
	peer    settings

	in  inflow
	out outflow

	streams streamTable
	history history
	active  int    // streams that live on the wire or in a handler
	lastID  uint32 // the highest stream that we began to serve
	lastMax uint32 // streams above it are ignored: the last GOAWAY said so

	heads   streamQueue // streams whose HEADERS wait
	ready   streamQueue // streams with DATA or an end that may be sent now
	blocked streamQueue // streams with DATA that wait for the connection's window

	// ctrl holds control frames, sent before everything else; its memory is the pool's when it is empty.
	ctrl    []byte
	replies int // acknowledgments in ctrl

	// err is why the connection is over.
	err error

	openedAt, idleSince, blockSince time.Duration
	// deadline is no later than the next moment at which expire has something to do (timeouts.go).
	deadline time.Duration
	drainAt  time.Duration
}

// newConn returns a connection that waits for its preface.
func newConn(cfg *connConfig, host connHost, p *pool, now time.Duration) *conn {
	c := &conn{host: host, pool: p, cfg: cfg, peer: initialSettings(), lastMax: streamIDMask}
	c.openedAt, c.idleSince = now, now
	l := &cfg.limits
	c.reader.init(l.FrameSizeMax, p.chunk, p.freeChunk)
	c.dec.init(l)
	c.dec.paths = &p.paths
	c.enc.init(l)
	c.in.init(initialWindowInit)
	c.out.init(initialWindowInit)
	c.deadline = now + l.PrefaceMax
	p.metrics.Conns++
	p.metrics.ConnsOpen++
	return c
}

// finished reports that nothing will ever be sent again, but for what the next flush returns.
func (c *conn) finished() bool {
	return c.state == connClosed || c.drained && c.active == 0 && !c.hasOutput()
}

// close tears down what is left: the connection is gone, for err (nil: in good order). Handlers that still run
// see an error at their next call. It is called once, last.
func (c *conn) close(err error) {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // a reader of a body must not take it for the end
	}
	if err != nil {
		err = fmt.Errorf("h2: the connection is gone: %w", err)
	}
	c.closeStreams(err)
	c.state = connClosed
	c.reader.close()
	c.dec.abort()
	c.dropBlock()
	c.pool.putCtrl(c.ctrl)
	c.ctrl = nil
	c.pool.metrics.ConnsOpen--
}

// fail ends the connection for a fault of the peer: GOAWAY with the highest stream we may have worked on, so
// that the client can tell what may be retried (RFC 9113 section 5.4.1).
func (c *conn) fail(e *connError) {
	if c.state == connClosed {
		return
	}
	if c.state == connPreface {
		// It does not speak HTTP/2: silence is the only answer it understands.
		c.pool.metrics.BadPrefaces++
	} else {
		c.sendGoAway(c.lastID, e.code, e.reason)
	}
	err := e.public(c.lastID)
	c.err = err
	c.state = connClosed
	c.closeStreams(err)
	c.host.touch()
}

// closeStreams ends every stream at once.
func (c *conn) closeStreams(err error) {
	if err == nil {
		err = errConnClosed
	}
	if c.err == nil {
		c.err = err
	}
	for i := 0; i < len(c.streams.slots); {
		if s := c.streams.slots[i]; s != nil {
			s.abandon(err) // takes it out of the table, which may move another one here
		} else {
			i++
		}
	}
}

// control returns ctrl for appending to it.
func (c *conn) control() []byte {
	if c.ctrl == nil {
		c.ctrl = c.pool.takeCtrl()
		c.host.touch()
	}
	return c.ctrl
}
