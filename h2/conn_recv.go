package h2

import "time"

var (
	errFirstFrame = connFault(ErrCodeProtocol, "the first frame after the connection preface is not SETTINGS")
	errEvenStream = connFault(ErrCodeProtocol, "a client opened a stream with an even identifier")
	errSkipped    = connFault(ErrCodeProtocol, "frame on a stream below the highest one that was never opened")
)

// feed takes bytes of the peer and returns how many: the rest comes again in the next turn, so that one connection
// cannot keep a core for itself (Limits.FramesTurnMax, BytesTurnMax). While choked() nothing is taken at all.
// User code never runs inside.
func (c *conn) feed(now time.Duration, p []byte) (n int) {
	if c.state == connPreface {
		n = c.feedPreface(p)
	}
	limits := &c.cfg.limits
	for frames := 0; n < len(p) && frames < limits.FramesTurnMax && n < limits.BytesTurnMax; frames++ {
		if c.state == connClosed {
			break
		}
		if c.choked() {
			c.pool.metrics.Choked++
			break
		}
		f, k, ok, err := c.reader.next(p[n:])
		n += k
		if err == nil && ok {
			err = c.recv(now, &f)
		}
		switch {
		case err != nil:
			c.fault(f.h.StreamID, err)
		case ok && !c.reader.blockOpen():
			c.blockSince = 0
		}
		if !ok && err == nil {
			break
		}
	}
	if c.state == connClosed {
		return len(p) // nothing counts any more
	}
	c.reader.release()
	c.noteBlock(now)
	return n
}

// choked reports whether more replies wait than a peer that reads would ever cause: until it takes them, it is not
// read either.
func (c *conn) choked() bool {
	const ctrlMax = 64 << 10
	return c.replies >= c.cfg.limits.RepliesMax || len(c.ctrl) >= ctrlMax
}

// feedPreface takes the preface. When it is complete our own SETTINGS go out: a client that speaks HTTP/2 never
// waits for them, and the first response shares their segment.
func (c *conn) feedPreface(p []byte) (n int) {
	n, done, err := c.preface.next(p)
	if err != nil {
		c.fault(0, err)
		return n
	}
	if done {
		c.greet()
	}
	return n
}

// recv dispatches one frame, or one fragment of a DATA frame.
func (c *conn) recv(now time.Duration, f *frame) error {
	if c.state == connSettings && f.h.Type != FrameSettings {
		return errFirstFrame
	}
	switch f.h.Type {
	case FrameHeaders:
		return c.recvHeaders(now, f)
	case FrameData:
		return c.recvData(now, f)
	case FrameWindowUpdate:
		return c.recvWindowUpdate(f)
	case FrameRSTStream:
		return c.recvRSTStream(f)
	case FrameContinuation:
		return c.continueBlock(now, f.payload, f.h.Flags.has(FlagEndHeaders))
	case FrameSettings:
		return c.recvSettings(f)
	case FramePing:
		return c.recvPing(f)
	case FramePriority:
		return loadPriority(f.h, f.payload)
	case FrameGoAway:
		return c.recvGoAway(f)
	}
	return nil // "Implementations MUST ignore and discard frames of unknown types." RFC 9113 section 4.1
}

// fault answers what was wrong with a frame of stream id.
func (c *conn) fault(id uint32, err error) {
	switch e := err.(type) {
	case *connError:
		c.fail(e)
	case *streamError:
		c.failStream(id, e)
	}
}

// failStream ends one stream for a fault of the peer. A stream that is not open any more is answered too, but only
// once: after our RST_STREAM its frames are ignored.
func (c *conn) failStream(id uint32, e *streamError) {
	if s := c.streams.get(id); s != nil {
		s.resetLocal(e.code, e.reason)
		return
	}
	switch state, known := c.history.state(id); {
	case state == stateIdle || !known:
		c.fail(&connError{e.code, e.reason}) // RST_STREAM must not be sent on an idle stream, section 6.4
		return
	case state == stateClosedLocalReset:
		return
	}
	c.history.close(id, stateClosedLocalReset)
	c.sendReset(id, e.code)
}

// late returns the state of a stream that is not in the table.
func (c *conn) late(id uint32) (streamState, error) {
	state, known := c.history.state(id)
	if !known {
		return state, errSkipped
	}
	return state, nil
}
