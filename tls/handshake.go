package coretls

import (
	"errors"
	"io"
	"time"

	"github.com/percore/percore/runtime"
)

var (
	errHandshakeUnwound = errors.New("tls: the handshake's task was ended")
	errHandshakeDrained = errors.New("tls: the server stops")
)

// handshake is the first part of an engine's life. It begins with the peer's
// first bytes, when the governor admits it, and runs as a task of the core: the
// one task that may park inside crypto/tls. Nothing else may call the tls.Conn
// until it is done.
//
//	idle --first bytes--> asked --governor--> running --> done
//	  \--------------------- fail, EOF, stop -------------/
type handshake struct {
	ticket
	e      *engine
	in     intake
	timer  coreruntime.Timer
	waiter coreruntime.Waiter // where the task parks for bytes

	off     *offcore // when it runs on a goroutine of its own
	wants   bool     // that goroutine waits for bytes
	running bool     // crypto/tls is at work: only finish may touch the tls.Conn
	eof     bool     // the peer ended its direction
	paused  bool     // the intake was full; we paused the connection
	err     error    // why it must end, set by the core
	result  error    // what crypto/tls said; errHandshakeUnwound until it did
}

func newHandshake(e *engine) *handshake {
	h := &handshake{e: e, result: errHandshakeUnwound}
	core := e.conn.Core()
	h.in.mem = core
	core.SetTimer(&h.timer, core.Now()+e.cfg.limits.HandshakeTimeout, h)
	return h
}

// feed takes what the peer sent.
func (h *handshake) feed(p []byte) int {
	n := h.in.put(p)
	if h.in.total > handshakeBytesMax {
		h.stop(errHandshakeBytes)
		return len(p)
	}
	if n < len(p) && !h.paused {
		h.paused = true
		h.e.conn.Pause()
	}
	if h.state == ticketNone && !h.running {
		h.e.cfg.governor(h.e.conn.Core()).ask(h)
	}
	h.news()
	return n
}

// news tells the running handshake that there is something to read.
func (h *handshake) news() {
	if h.off == nil {
		h.waiter.Wake()
	} else if h.wants {
		h.wants = false
		h.want()
	}
}

// begin implements applicant: it is this connection's turn.
func (h *handshake) begin() {
	e := h.e
	h.running = true
	e.codec.shim.mem = e.conn.Core()
	e.codec.shim.addrs = e.conn
	e.codec.startServer(e.cfg.std)
	if e.cfg.offCore {
		// Asked for once on the core, the addresses are known everywhere.
		e.conn.LocalAddr()
		e.conn.RemoteAddr()
		h.off = startOffcore(e.conn.Core(), h, e.codec.tls, &e.codec.shim)
		return
	}
	e.codec.shim.src = h
	e.conn.Core().Start("tls handshake", h)
}

// Run implements coreruntime.Runnable: the handshake's task.
func (h *handshake) Run() {
	defer h.finish()
	// Handshake has no context with a Done channel: that would start a goroutine.
	h.result = h.e.codec.tls.Handshake()
}

// read implements source for the task: it parks until the peer has sent more.
func (h *handshake) read(p []byte) (int, error) {
	for {
		if h.err != nil {
			return 0, h.err
		}
		if n := h.get(p); n > 0 {
			return n, nil
		}
		if h.eof {
			return 0, io.EOF
		}
		if h.e.codec.pending() > 0 {
			h.e.conn.Touch()
		}
		if err := h.waiter.Park(h.e.conn.Core()); err != nil {
			return 0, err
		}
	}
}

// get takes bytes out of the intake and lets the peer go on if it was full.
func (h *handshake) get(p []byte) int {
	n := h.in.get(p)
	if h.paused && h.in.waiting() < intakeMax/2 {
		h.paused = false
		h.e.conn.Resume()
	}
	return n
}

// want implements offcoreOwner.
func (h *handshake) want() {
	if h.err != nil {
		return // stop has closed the channel
	}
	if n := h.in.allowed(); n > 0 {
		p := make([]byte, n)
		h.get(p)
		h.off.give(p)
	} else if h.eof {
		h.off.give(nil)
	} else {
		h.wants = true
	}
}

// output implements offcoreOwner.
func (h *handshake) output(p []byte) {
	s := &h.e.codec.shim
	if h.e.closed {
		return
	}
	s.out = appendChunk(s.mem, s.out, p)
	h.e.conn.Touch()
}

// finished implements offcoreOwner.
func (h *handshake) finished(err error) {
	h.result = err
	h.finish()
}

// ended is the peer's EOF.
func (h *handshake) ended() {
	h.eof = true
	if h.state == ticketNone && !h.running {
		h.stop(io.ErrUnexpectedEOF) // it never said anything
		return
	}
	h.news()
}

// Expire implements coreruntime.Expirer.
func (h *handshake) Expire(*coreruntime.Timer, time.Duration) { h.stop(ErrHandshakeTimeout) }

// stop ends the handshake because of err. Idempotent; the first reason stays.
func (h *handshake) stop(err error) {
	if h.err != nil {
		return
	}
	h.err = err
	switch {
	case !h.running:
		h.finish()
	case h.off != nil:
		// Its goroutine may be inside a callback for as long as it likes. The
		// connection does not wait for it; the governor does, so that callbacks
		// that hang stay bounded.
		h.off.stop()
		h.e.handshakeDone(h, err)
	default:
		h.waiter.Wake()
	}
}

// finish is the end of the handshake, in its task, on the core for the
// goroutine, or in place when it never began.
func (h *handshake) finish() {
	core := h.e.conn.Core()
	core.StopTimer(&h.timer)
	h.running = false
	h.e.cfg.governor(core).leave(h)
	err := h.result
	if h.err != nil {
		err = h.err
	}
	if h.off != nil {
		h.off.stop()
	}
	h.e.handshakeDone(h, err)
}
