package coretls

import (
	"crypto/tls"
	"errors"
	"io"
	"time"

	"github.com/percore/percore/runtime"
)

var errSendCut = errors.New("tls: a task was ended while it wrote: the record is cut, nothing more can be sent")

// connHandshake is the handshake of a Conn. It runs in the first task that needs
// it; others wait for turn, outside crypto/tls.
type connHandshake struct {
	ticket
	c      *Conn
	cfg    *Config // nil: client
	std    *tls.Config
	turn   coreruntime.Mutex
	waiter coreruntime.Waiter

	off    *offcore
	wants  bool
	over   bool // the goroutine is done
	out    []byte
	result error

	running bool // crypto/tls is at work: nobody else may touch the tls.Conn
	done    bool
	err     error // sticky
}

// Handshake runs the handshake if it has not run yet and returns its result, a
// *HandshakeError. Task.
func (c *Conn) Handshake() error {
	if err := c.core.MustTask("a method of coretls.Conn"); err != nil {
		return err
	}
	h := &c.hs
	if h.done {
		return nil
	}
	if err := h.turn.Lock(c.core); err != nil {
		return err
	}
	defer h.turn.Unlock()
	if h.done || h.err != nil {
		return h.err
	}
	h.err = newHandshakeError(c.raw.RemoteAddr(), errHandshakeUnwound) // unless this task comes to the end
	err := c.core.WithTimeout(h.timeout(), h.run)
	if err == nil {
		h.err, h.done = nil, true
		return nil
	}
	if errors.Is(err, coreruntime.ErrTimeout) {
		err = ErrHandshakeTimeout
	}
	h.err = newHandshakeError(c.raw.RemoteAddr(), err)
	return h.err
}

// ConnectionState returns what the handshake agreed on; the zero value before it
// is done, and outside the core. Core.
func (c *Conn) ConnectionState() tls.ConnectionState {
	if c.core.Check("coretls.Conn.ConnectionState") != nil || !c.hs.done {
		return tls.ConnectionState{}
	}
	return c.codec.tls.ConnectionState()
}

func (h *connHandshake) run() error {
	if err := h.admit(); err != nil {
		return err
	}
	h.running = true
	var err error
	if h.mayBlock() {
		err = h.shakeOff()
	} else {
		defer h.leave()
		h.c.codec.shim.src = h
		err = h.c.codec.tls.Handshake()
	}
	if err == nil {
		h.c.codec.ready(h.c.codec.tls.ConnectionState().Version)
	}
	// The last flight, or the alert that says what was wrong.
	if e := h.flush(); err == nil {
		err = e
	}
	return err
}

func (h *connHandshake) mayBlock() bool {
	if h.cfg != nil {
		return h.cfg.offCore
	}
	return clientMayBlock(h.std)
}

func (h *connHandshake) timeout() time.Duration {
	if h.cfg != nil {
		return h.cfg.limits.HandshakeTimeout
	}
	return handshakeTimeout
}

// admit waits for the governor, on the server's side.
func (h *connHandshake) admit() error {
	if h.cfg == nil {
		if err := checkCommon(h.std); err != nil {
			return err
		}
		h.c.codec.startClient(h.std)
		return nil
	}
	h.c.codec.startServer(h.std)
	g := h.cfg.governor(h.c.core)
	g.ask(h)
	for h.state == ticketWaiting {
		if err := h.waiter.Park(h.c.core); err != nil {
			g.leave(h)
			return err
		}
	}
	return nil
}

// begin implements applicant.
func (h *connHandshake) begin() { h.waiter.Wake() }

// leave ends what admit and run began.
func (h *connHandshake) leave() {
	h.running = false
	if h.cfg != nil {
		h.cfg.governor(h.c.core).leave(h)
	}
	if h.c.closed {
		h.c.codec.release()
	}
}

// flush sends what the handshake wrote so far.
func (h *connHandshake) flush() error {
	if h.c.codec.pending() == 0 {
		return nil
	}
	if err := h.c.lock(); err != nil {
		return err
	}
	defer h.c.unlock()
	return h.c.drain()
}

// read implements source: what crypto/tls calls in this task.
func (h *connHandshake) read(p []byte) (int, error) {
	if err := h.flush(); err != nil {
		return 0, err
	}
	for {
		if n := h.c.in.get(p); n > 0 {
			return n, nil
		}
		if err := h.receive(); err != nil {
			return 0, err
		}
	}
}

func (h *connHandshake) receive() error {
	if h.c.in.total > handshakeBytesMax {
		return errHandshakeBytes
	}
	return h.c.fill()
}

// shakeOff runs the handshake on a goroutine; this task carries its bytes.
func (h *connHandshake) shakeOff() error {
	h.c.raw.LocalAddr() // asked for once on the core, they are known everywhere
	h.c.raw.RemoteAddr()
	h.over = false
	h.off = startOffcore(h.c.core, h, h.c.codec.tls, &h.c.codec.shim)
	defer h.off.stop()
	for {
		switch {
		case len(h.out) > 0:
			p := h.out
			h.out = nil
			if _, err := h.c.raw.Write(p); err != nil {
				return err
			}
		case h.over:
			return h.result
		case h.wants:
			if err := h.answer(); err != nil {
				return err
			}
		default:
			if err := h.waiter.Park(h.c.core); err != nil {
				return err
			}
		}
	}
}

// answer gives the goroutine the bytes it wants.
func (h *connHandshake) answer() error {
	for h.c.in.allowed() == 0 {
		if err := h.receive(); err == io.EOF {
			h.wants = false
			h.off.give(nil)
			return nil
		} else if err != nil {
			return err
		}
	}
	p := make([]byte, h.c.in.allowed())
	h.c.in.get(p)
	h.wants = false
	h.off.give(p)
	return nil
}

// want implements offcoreOwner.
func (h *connHandshake) want() {
	if !h.off.over {
		h.wants = true
		h.waiter.Wake()
	}
}

// output implements offcoreOwner.
func (h *connHandshake) output(p []byte) {
	h.out = append(h.out, p...)
	h.waiter.Wake()
}

// finished implements offcoreOwner.
func (h *connHandshake) finished(err error) {
	h.over, h.result = true, err
	h.leave()
	h.waiter.Wake()
}
