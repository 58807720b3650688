package h2

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
	"github.com/percore/percore/tls"
)

// serverConn joins a conn to a corenet.Conn: it is the Protocol above and the host below. All on one core.
type serverConn struct {
	c    *conn
	core *serverCore
	net  *corenet.Conn
	tls  *tls.ConnectionState // nil: cleartext

	shake corenet.Holder // the TLS engine until its handshake is done; c is nil until then

	timer  coreruntime.Timer
	armed  time.Duration // what timer is set to
	paused bool          // because c was choked
	ended  bool          // net.Close was called

	next, prev *serverConn // in serverCore
}

func newServerConn(core *serverCore, state *tls.ConnectionState) *serverConn {
	return &serverConn{core: core, tls: state}
}

// secureConn is the TLS engine of a connection. The server knows that from its first moment, so that Shutdown and Close
// also end, and wait for, connections whose handshake is under way.
type secureConn struct {
	corenet.Holder
	p *serverConn
}

// Open implements corenet.Protocol.
func (s *secureConn) Open(c *corenet.Conn) {
	s.Holder.Open(c)
	s.p.net = c
	s.p.core.add(s.p)
	if s.p.core.closing {
		s.Drain(c.Core().Now())
	}
}

// Closed implements corenet.Protocol.
func (s *secureConn) Closed(now time.Duration, err error) {
	s.Holder.Closed(now, err)
	if s.p.c == nil {
		s.p.core.remove(s.p)
	}
}

// shaken is the engine's Open: the handshake is done.
func (p *serverConn) shaken(state *tls.ConnectionState) (corenet.Protocol, error) {
	if proto := state.NegotiatedProtocol; proto != "" && proto != coretls.ProtoH2 {
		return nil, fmt.Errorf("h2: the client chose the protocol %q by ALPN, only h2 is served", proto)
	}
	if !coretls.H2Permits(state) {
		return nil, fmt.Errorf("h2: RFC 9113 section 9.2.2 prohibits %s for HTTP/2; the client must offer TLS 1.3, or ECDHE with AES-GCM or ChaCha20", tls.CipherSuiteName(state.CipherSuite))
	}
	p.tls = state
	return p, nil
}

// Open implements corenet.Protocol.
func (p *serverConn) Open(c *corenet.Conn) {
	p.net = c
	now := c.Core().Now()
	p.c = newConn(p.core.cfg, p, p.core.pool, now)
	if p.shake == nil {
		p.core.add(p)
	}
	p.shake = nil
	if p.core.closing {
		p.Drain(now)
		return
	}
	p.arm()
}

// Data implements corenet.Protocol.
func (p *serverConn) Data(now time.Duration, b []byte) int {
	if p.ended {
		return len(b)
	}
	n := p.c.feed(now, b)
	if n < len(b) && p.c.choked() && !p.paused {
		p.paused = true
		p.net.Pause()
	}
	p.after()
	return n
}

// EOF implements corenet.Protocol.
func (p *serverConn) EOF(time.Duration) {
	p.c.recvEOF()
	p.after()
}

// Flush implements corenet.Protocol.
func (p *serverConn) Flush(now time.Duration, dst []byte) []byte {
	p.core.tick(now)
	dst = p.c.flush(now, dst)
	if p.paused && !p.c.choked() {
		p.paused = false
		p.net.Resume()
	}
	if p.c.wantFlush() {
		p.net.Touch()
	}
	p.after()
	return dst
}

// Drain implements corenet.Protocol.
func (p *serverConn) Drain(now time.Duration) {
	if p.c == nil {
		p.shake.Drain(now)
		return
	}
	p.c.goAway(now)
	p.after()
}

// Closed implements corenet.Protocol.
func (p *serverConn) Closed(_ time.Duration, err error) {
	p.ended = true
	p.core.core.StopTimer(&p.timer)
	p.c.close(err)
	p.core.remove(p)
}

// Expire implements coreruntime.Expirer.
func (p *serverConn) Expire(_ *coreruntime.Timer, now time.Duration) {
	p.c.expire(now)
	p.after()
}

// after closes a connection that is finished, or sees to its deadline.
func (p *serverConn) after() {
	switch {
	case p.ended:
	case p.c.finished():
		p.end()
	default:
		p.arm()
	}
}

// arm sets the timer if the deadline became earlier than it; a later one is found when the timer fires.
func (p *serverConn) arm() {
	if at := p.c.nextDeadline(); at != never && (!p.timer.Armed() || at < p.armed) {
		p.armed = at
		p.core.core.SetTimer(&p.timer, at, p)
	}
}

// end closes the connection after what the next flush returns.
func (p *serverConn) end() {
	p.ended = true
	p.core.core.StopTimer(&p.timer)
	if p.c.state == connClosed && p.c.err != nil {
		p.logEnd(p.c.err)
	}
	_ = p.net.Close() // it fails only if the connection is closed already
}

// logEnd tells of clients that do not speak HTTP/2, at most once a second.
func (p *serverConn) logEnd(err error) {
	if int(p.c.preface.seen) == len(Preface) {
		p.core.cfg.logger.Debug("h2: connection ended", slog.Any("remote", p.net.RemoteAddr()), slog.Any("error", err))
		return
	}
	k := p.core
	if now := k.core.Now(); k.badLogged == 0 || now-k.badLogged >= time.Second {
		k.cfg.logger.Warn("h2: closed a connection that does not speak HTTP/2; cleartext clients need prior knowledge, such as curl --http2-prior-knowledge",
			slog.Any("remote", p.net.RemoteAddr()), slog.Int("others", k.badCount))
		k.badLogged, k.badCount = now, 0
		return
	}
	k.badCount++
}

// touch and now implement connHost.
func (p *serverConn) touch()             { p.net.Touch() }
func (p *serverConn) now() time.Duration { return p.core.core.Now() }

// serverTask runs the handler of a pooled stream; it is made once for each.
type serverTask struct {
	s       *stream
	core    *coreruntime.Core
	waiters [sides]coreruntime.Waiter
}

// Run implements coreruntime.Runnable.
func (t *serverTask) Run() { t.s.serve() }

func (t *serverTask) start()                    { t.core.Start("h2 handler", t) }
func (t *serverTask) park(side side) error      { return t.waiters[side].Park(t.core) }
func (t *serverTask) wake(side side)            { t.waiters[side].Wake() }
func (t *serverTask) check(method string) error { return t.core.Check(method) }
