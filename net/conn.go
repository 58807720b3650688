package corenet

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/runtime"
)

// Conn is one stream connection on one core. It has two faces: a task uses it as a net.Conn, or a Protocol
// gets its events (Bind, Listener.Serve). Methods marked core are for the core's goroutine, that is its
// tasks and protocols; from elsewhere they return coreruntime.ErrWrongGoroutine.
//
//	open ──Close──▶ draining ──flushed──▶ terminating ──EOF, LingerMax──▶ canceling ──last CQE──▶ closed
//	  └───────────────┴───────────Abort─────────┴──────────────────────────▶┘
type Conn struct {
	core  *coreruntime.Core
	cfg   *ConnConfig   // shared with the listener's other connections, never written
	from  *CoreListener // counts it; nil: dialed
	proto Protocol      // nil: the task face
	place coreruntime.Resident
	times *times // nil until a timer is needed

	// What was received and not read: lent buffers in order, then copies. held is the one a WriteTo
	// has in hand; it is out of the queue so that Close cannot recycle it.
	in      []segment
	inHead  int
	inBytes int
	inLent  int
	held    segment
	recvOp  driver.Token // the recv the kernel has; NoToken: none
	turnAt  time.Duration
	turnIn  int // bytes received in the turn turnAt
	quiet   int // short receives in a row, in the paced mode
	rwait   coreruntime.Waiter
	recvErr error // why nothing more will be received; told after the queue
	relayTo *Conn // where a task parked in WriteTo wants the input; relayed counts what went there
	relayed int64

	// What waits for the kernel, in chunks; the first is with the kernel while sendOp is set.
	out      [][]byte
	outOff   int // bytes of out[0] already sent
	outBytes int
	sendOp   driver.Token
	wwait    coreruntime.Waiter
	sendErr  error // sticky

	cause     error // why the connection ended; nil: in good order
	discarded int   // bytes thrown away since Close

	local, remote atomic.Pointer[net.TCPAddr]
	closeAsked    atomic.Bool // by a goroutine outside the core

	fd      int32
	phase   phase
	refused uint8 // times in a row that Data took nothing of the same bytes

	recvMulti, recvCanceled bool // of recvOp
	paced                   bool
	paused                  bool // by the protocol
	starved                 bool // in the core's list
	eof, eofTold            bool
	outHigh                 bool // between OutBufferMax and half of it
	dirty                   bool // the protocol or the ladder wants a flush
	flushQueued             bool
	resumeQueued            bool
	reading, writing        bool // a task is inside a call
	finAsked, wroteEOF      bool // our end of file: wanted after the output, sent
	canceling               bool // the ladder's last rung: waiting for the last completions
	detaching               bool
	drainTold               bool
	reset                   bool // close with RST
}

// phase is a rung of the close ladder.
type phase uint8

const (
	open        phase = iota
	draining          // Close was called: output is being flushed, input thrown away
	terminating       // our end of file is sent: waiting for the peer's
	closed
)

// The kinds of a connection's ops.
const (
	opRecv uint8 = 1
	opSend uint8 = 2
	// opAccept is a listener's, opConnect a dialer's.
	opAccept  uint8 = 3
	opConnect uint8 = 4
)

var _ net.Conn = (*Conn)(nil)

// newConn takes over fd, which its caller has counted, and arms its reading.
func newConn(core *coreruntime.Core, fd int, cfg *ConnConfig, from *CoreListener) *Conn {
	c := &Conn{core: core, cfg: cfg, from: from, fd: int32(fd)}
	core.Admit(&c.place, (*inTurn)(c))
	c.tend()
	return c
}

// inTurn is a Conn as its core sees it: the methods the loop calls, kept out of the public ones. None
// of them runs inside a call of the protocol, so they may go up the close ladder.
type inTurn Conn

// Complete takes what became of an op: first its result, then the re-arm, then the ladder.
func (t *inTurn) Complete(kind uint8, cq driver.Completion) {
	c := (*Conn)(t)
	switch kind {
	case opRecv:
		c.received(cq)
	case opSend:
		c.sent(cq)
	default:
		panic("BUG: a connection got the completion of a foreign op")
	}
	c.settle()
}

// Flush sends what the turn has produced.
func (t *inTurn) Flush(now time.Duration) {
	c := (*Conn)(t)
	c.flush(now)
	c.settle()
}

// Resume hands over again what the protocol left.
func (t *inTurn) Resume(now time.Duration) {
	c := (*Conn)(t)
	c.redeliver(now)
	c.settle()
}

// Fed says that there are provided buffers again.
func (t *inTurn) Fed(time.Duration) {
	t.starved = false
	(*Conn)(t).settle()
}

// Drain asks for a graceful end. A task finds out by its own cancelation; nothing is taken from it.
func (t *inTurn) Drain(now time.Duration) {
	c := (*Conn)(t)
	if c.proto != nil && c.phase == open && !c.drainTold {
		c.drainTold = true
		c.proto.Drain(now)
	}
}

// Abort ends the connection without grace; the runtime's drain deadline has passed.
func (t *inTurn) Abort(time.Duration) {
	c := (*Conn)(t)
	if c.phase != closed {
		c.abort(errStopping)
	}
}

// settle brings receiving and the ladder in line with whatever has just changed.
func (c *Conn) settle() {
	c.tend()
	c.climb()
	c.wakeDetach()
}

// Core returns the core the connection lives on. Any goroutine.
func (c *Conn) Core() *coreruntime.Core { return c.core }

// LocalAddr returns our address. It is asked of the kernel on first use on the core and kept; a goroutine
// outside the core that is the first to ask, and whoever asks first after the end, gets an empty
// address.
func (c *Conn) LocalAddr() net.Addr {
	return c.address(&c.local, "Conn.LocalAddr", driver.Sockets.Sockname)
}

// RemoteAddr returns the peer's address, with the same limits as LocalAddr.
func (c *Conn) RemoteAddr() net.Addr {
	return c.address(&c.remote, "Conn.RemoteAddr", driver.Sockets.Peername)
}

func (c *Conn) address(kept *atomic.Pointer[net.TCPAddr], method string, ask func(driver.Sockets, int) (netip.AddrPort, error)) net.Addr {
	if a := kept.Load(); a != nil {
		return a
	}
	if c.core.Check(method) != nil || c.phase == closed {
		return &net.TCPAddr{}
	}
	ap, err := ask(c.core.Driver(), int(c.fd))
	if err != nil {
		return &net.TCPAddr{}
	}
	a := tcpAddr(ap)
	kept.Store(a)
	return a
}

func tcpAddr(ap netip.AddrPort) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()))
}
