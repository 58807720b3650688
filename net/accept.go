package corenet

import (
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/runtime"
)

// CoreListener is the member of a Listener on one core.
//
//	idle ──Accept, Serve──▶ armed ──ENFILE, EMFILE, ENOMEM──▶ backing off ──timer──▶ armed
//	                          │  ├──AcceptedMax waiting──▶ disarmed ──Accept──▶ armed
//	                          │  └──ConnsMax open──▶ paused ──one ends──▶ armed
//	                          └──Close──▶ canceling ──last CQE──▶ closed
type CoreListener struct {
	group *Listener
	core  *coreruntime.Core
	place coreruntime.Resident
	open  func(*coreruntime.Core) Protocol // Serve; nil: Accept

	gauge     gauge
	share     int // see fairShare, and for how many accepts it holds
	shareUses int

	op       driver.Token
	multi    bool // op
	canceled bool // op
	wait     coreruntime.Waiter
	accepted []*Conn // nobody has called Accept for them yet
	timer    coreruntime.Timer
	backoff  time.Duration // the last pause; 0: the last accept was good
	logAt    time.Duration // the next warning of a pause, not before
	faultsAt time.Duration // start of the window that faults counts in
	faults   int

	fd        int32
	wanted    bool // somebody takes connections on this core
	accepting bool // a task is inside Accept
	closing   bool
	closed    bool
}

const (
	backoffMin = 5 * time.Millisecond
	backoffMax = time.Second
	// faultsMax is how many failed connections (ECONNABORTED and the like) are passed over at once in
	// each faultsWindow; past it accepting pauses.
	faultsMax    = 100
	faultsWindow = 100 * time.Millisecond
	// pauseLogMin is the least time between two warnings of one listener: a server that lives at its limit accepts and
	// pauses in turns, up to 200 times a second.
	pauseLogMin = 10 * time.Second
)

// Accept parks until there is a connection on this core and returns it. The error wraps net.ErrClosed
// when the listener is closed, or says why the task was canceled; no connection is lost by that. One
// task of the core at a time. Task.
func (m *CoreListener) Accept() (*Conn, error) {
	if err := m.core.MustTask("CoreListener.Accept"); err != nil {
		return nil, err
	}
	switch {
	case m.open != nil:
		return nil, m.group.opError("accept", errServing)
	case m.accepting:
		return nil, m.group.opError("accept", errBusy)
	}
	m.accepting, m.wanted = true, true
	defer func() { m.accepting = false }()
	for !m.closing {
		if len(m.accepted) > 0 {
			c := m.accepted[0]
			m.accepted = slices.Delete(m.accepted, 0, 1)
			m.settle()
			return c, nil
		}
		m.settle()
		if err := m.wait.Park(m.core); err != nil {
			return nil, m.group.opError("accept", err)
		}
	}
	return nil, m.group.opError("accept", net.ErrClosed)
}

// Core returns the core this member listens on. Any goroutine.
func (m *CoreListener) Core() *coreruntime.Core { return m.core }

// Addr returns the group's address. Any goroutine.
func (m *CoreListener) Addr() net.Addr { return m.group.addr }

func (m *CoreListener) serve(open func(*coreruntime.Core) Protocol) {
	m.open, m.wanted = open, true
	for _, c := range m.accepted {
		m.bind(c)
	}
	m.accepted = nil
	m.settle()
}

func (m *CoreListener) bind(c *Conn) {
	if err := c.Bind(m.open(m.core)); err != nil {
		c.abort(err)
	}
}

// Complete takes one result of the armed accept: first the connection, which also a last completion may
// carry, then the re-arm.
func (m *CoreListener) Complete(_ uint8, cq driver.Completion) {
	if !cq.More {
		m.op = driver.NoToken
	}
	if cq.Res >= 0 {
		m.take(int(cq.Res))
	} else {
		m.failed(cq.Errno())
	}
	m.settle()
}

func (m *CoreListener) take(fd int) {
	m.backoff = 0
	if m.closing {
		_ = m.core.Driver().CloseFD(fd) // it came too late for anybody to serve
		return
	}
	m.core.Count(coreruntime.ConnsAccepted, 1)
	if to := m.better(); to != nil && m.send(fd, to) {
		return
	}
	m.count()
	m.adopt(fd)
}

// adopt makes a connection of fd, which is counted already.
func (m *CoreListener) adopt(fd int) {
	c := newConn(m.core, fd, m.group.conn, m)
	if m.open != nil {
		m.bind(c)
		return
	}
	m.accepted = append(m.accepted, c)
	m.wait.Wake()
}

func (m *CoreListener) failed(errno unix.Errno) {
	if errno == unix.ECANCELED {
		return
	}
	m.core.Count(coreruntime.AcceptErrors, 1)
	switch errno {
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS:
		m.pause("percore: accept is out of resources and pauses; raise RLIMIT_NOFILE (ulimit -n) or free memory", errno)
	case unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EOPNOTSUPP:
		m.core.Logger().Error("percore: a listening socket is unusable and was closed",
			"core", m.core.ID(), "addr", m.group.addr.String(), "err", errno)
		m.closeFor(sysError("accept", errno))
	default: // of one connection only, accept(2): the next may be good
		m.passOver(errno)
	}
}

// pause stops accepting for a while that doubles each time: the kernel would refuse the next at once, and
// the connections stay in its backlog.
func (m *CoreListener) pause(why string, errno unix.Errno) {
	if now := m.core.Now(); m.backoff == 0 && now >= m.logAt {
		m.logAt = now + pauseLogMin
		m.core.Logger().Warn(why, "core", m.core.ID(), "addr", m.group.addr.String(), "err", errno)
	}
	m.backoff = min(max(2*m.backoff, backoffMin), backoffMax)
	m.core.Count(coreruntime.AcceptBackoffs, 1)
	m.core.SetTimer(&m.timer, m.core.Now()+m.backoff, m)
}

// passOver re-arms at once, but not in an endless run.
func (m *CoreListener) passOver(errno unix.Errno) {
	if now := m.core.Now(); now-m.faultsAt >= faultsWindow {
		m.faultsAt, m.faults = now, 0
	}
	if m.faults++; m.faults > faultsMax {
		m.pause("percore: too many connections fail before they are accepted; accepting pauses", errno)
	}
}

// Expire ends a pause.
func (m *CoreListener) Expire(*coreruntime.Timer, time.Duration) { m.settle() }

// settle arms or disarms accepting, and closes the socket when nothing is in flight.
func (m *CoreListener) settle() {
	if m.closing {
		m.finish()
		return
	}
	queued := len(m.accepted) >= m.group.acceptedMax
	m.publish(m.wanted && !queued)
	full, multi := queued || m.capped(), m.bursts()
	switch {
	case m.op != driver.NoToken && (full || m.multi && !multi):
		m.cancel()
	case m.op == driver.NoToken && m.wanted && !full && !m.timer.Armed():
		m.canceled, m.multi = false, multi
		m.op = m.core.Submit(driver.Op{Code: driver.Accept, Multi: multi, FD: m.fd}, m, opAccept)
	}
}

// publish tells the other cores whether they may send connections here.
func (m *CoreListener) publish(takes bool) {
	if takes != m.gauge.takes.Load() {
		m.gauge.takes.Store(takes)
		m.tellRoom()
		m.tellBorrowers(m)
	}
}

func (m *CoreListener) cancel() {
	if m.op != driver.NoToken && !m.canceled {
		m.canceled = true
		m.core.CancelOp(m.op)
	}
}

// close stops accepting. The socket is closed after the last completion: closing it under an armed
// accept would leave it listening.
func (m *CoreListener) close() {
	if m.closing {
		return
	}
	m.closing = true
	m.publish(false)
	m.endPause()
	m.borrow(false)
	m.core.StopTimer(&m.timer)
	m.cancel()
	for _, c := range m.accepted {
		c.abort(nil)
	}
	m.accepted = nil
	m.wait.Wake()
	m.finish()
}

func (m *CoreListener) finish() {
	if m.closed || m.op != driver.NoToken {
		return
	}
	m.closed = true
	if err := m.core.Driver().CloseFD(int(m.fd)); err != nil {
		m.core.Logger().Warn("percore: closing a listening socket", "core", m.core.ID(), "err", err)
	}
	m.core.Leave(&m.place)
	m.group.memberClosed()
}

// closeFor closes for a reason that is not Listener.Close.
func (m *CoreListener) closeFor(why error) {
	if !m.closing {
		m.group.err.Store(&why)
	}
	m.close()
}

// admit makes the member a resident of its core, which may have ended since it was asked to.
func (m *CoreListener) admit() {
	if m.core.Ended() {
		m.drop()
		return
	}
	m.core.Admit(&m.place, m)
}

// drop closes the socket of a member that never came to its core.
func (m *CoreListener) drop() {
	why := errStopping
	m.group.err.Store(&why)
	m.closing, m.closed = true, true
	_ = m.core.Driver().CloseFD(int(m.fd)) // nobody has heard of it yet
	m.group.memberClosed()
}

// Drain and Abort are the runtime's Stop. A listener has nothing to finish: it closes in both.
func (m *CoreListener) Drain(time.Duration) { m.closeFor(errStopping) }

// Abort: see Drain.
func (m *CoreListener) Abort(time.Duration) { m.closeFor(errStopping) }
