package corenet

import "time"

// Protocol is the event-driven face of a connection: what the bytes mean. All its methods run on the
// connection's core and must neither park nor run user code; user code is made a task.
//
//	Open ─▶ Data* ─▶ EOF? ─▶ Closed          Flush whenever Touch was called, once a turn
//	           └── Drain may come at any time between Open and Closed
//
// A connection with a Protocol has no coroutine, and no buffer while it is quiet.
type Protocol interface {
	// Open comes first, once. It may call the methods of c that are marked core.
	Open(c *Conn)
	// Data hands over received bytes and returns how many were taken, 0 to len(p). p is lent for the call
	// only. What was not taken comes again, in a later turn: together with what followed it when nothing
	// was taken, else alone. A protocol that takes nothing of the same bytes twice waits for more: it is
	// called again when some have arrived, or after Resume. It must be able to take something of
	// RecvTurnMax bytes, because no more is received while so many lie unread. After Pause nothing comes
	// until Resume.
	Data(now time.Duration, p []byte) (n int)
	// EOF says that the peer has ended its direction. It comes once, after all Data; bytes that the
	// protocol would not take are dropped with it. The other direction stays open: call Close to end it.
	EOF(now time.Duration)
	// Flush appends what is to be sent, about FlushMax bytes at most, and returns the result; it calls
	// Touch when more is left. It is called at the end of a turn in which Touch was called, and not while
	// earlier output still waits for the kernel.
	Flush(now time.Duration, dst []byte) []byte
	// Drain asks for a graceful end: say goodbye, finish what is under way, then Conn.Close.
	Drain(now time.Duration)
	// Closed comes last, once: the connection is gone. err is nil when we closed it in good order, io.EOF
	// when the peer had ended first, else the cause.
	Closed(now time.Duration, err error)
}

// Bind gives a connection that a task has accepted or dialed to a Protocol. Bytes that have arrived
// already are handed over in the next turn. No task may use the connection any more. Core.
func (c *Conn) Bind(p Protocol) error {
	if err := c.core.Check("Conn.Bind"); err != nil {
		return err
	}
	switch {
	case c.phase != open || c.detaching:
		return c.opError("bind", c.gone())
	case c.proto != nil:
		return c.opError("bind", errProtocolFace)
	case c.reading || c.writing:
		return c.opError("bind", errBusy)
	}
	c.proto = p
	p.Open(c)
	c.queueResume()
	if c.core.Stopping() { // others were asked when it began
		(*inTurn)(c).Drain(c.core.Now())
	}
	return nil
}

// Touch asks for a Flush at the end of this turn. Core, cheap, any number of times.
func (c *Conn) Touch() {
	c.must("Conn.Touch")
	if c.phase <= draining && !c.canceling {
		c.touch()
	}
}

// Pause stops Data until Resume; at most what is already under way is still received and kept. Core.
func (c *Conn) Pause() {
	c.must("Conn.Pause")
	c.paused = true
	c.tend()
}

// Resume ends Pause: what was kept is handed over in the next turn. Core.
func (c *Conn) Resume() {
	c.must("Conn.Resume")
	c.paused = false
	c.refused = 0
	c.queueResume()
	c.tend()
}

// Paused reports whether Pause holds. Core.
func (c *Conn) Paused() bool {
	c.must("Conn.Paused")
	return c.paused
}

// Holder is a Protocol that passes bytes on to another one and may hold some that it has taken: TLS does.
// Resumed is called in the turn after each Conn.Resume, after what the connection itself had kept,
// also when it had kept nothing.
type Holder interface {
	Protocol
	Resumed(now time.Duration)
}

// Closing reports whether Close has begun: what the next Flush appends is the last that is sent. Core.
func (c *Conn) Closing() bool {
	c.must("Conn.Closing")
	return c.phase != open
}

// OutBuffered returns the bytes accepted for sending that the kernel does not have yet. Core.
func (c *Conn) OutBuffered() int {
	c.must("Conn.OutBuffered")
	return c.outBytes
}
