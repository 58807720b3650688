package h2

// streamState is the state of a stream, RFC 9113 section 5.1, without the reserved states: nobody pushes here.
//
//	                        +--------+
//	                        |  idle  |
//	                        +--------+
//	                  HEADERS   |   HEADERS+END_STREAM
//	             +--------------+---------------------+
//	             v                                    |
//	        +--------+   recv END_STREAM              |
//	        |  open  |-----------------------+        |
//	        +--------+                       v        v
//	             | send END_STREAM         +-------------+
//	             v                         | half-closed |
//	        +-------------+                |   (remote)  |
//	        | half-closed |                +-------------+
//	        |   (local)   |                       |
//	        +-------------+                       | send END_STREAM
//	             | recv END_STREAM                v
//	             +------------------------> closed (ended)
//
//	open and both half-closed states:  send RST_STREAM -> closed (local reset)
//	                                   recv RST_STREAM -> closed (peer reset)
//
// A closed state carries its cause, because a late frame means something else after each of them:
//
//	          DATA, HEADERS                    WINDOW_UPDATE, RST_STREAM
//	ended        connection error STREAM_CLOSED   ignored, may be under way
//	local reset  ignored, may be under way        ignored
//	peer reset   stream error STREAM_CLOSED       stream error; a second RST_STREAM is ignored
//
// The verbs below are the only way to move; the recv verbs return nil, a *connError, a *streamError or
// errIgnoreFrame. The send verbs panic on a wrong state: that would be our own bug.
type streamState uint8

const (
	stateIdle streamState = iota
	stateOpen
	stateHalfClosedLocal  // we sent END_STREAM
	stateHalfClosedRemote // the peer sent END_STREAM
	stateClosedEnded      // both sides sent END_STREAM
	stateClosedLocalReset // we sent RST_STREAM
	stateClosedPeerReset  // the peer sent RST_STREAM
)

var (
	errIdleFrame       = connFault(ErrCodeProtocol, "frame on an idle stream")
	errStreamEnded     = connFault(ErrCodeStreamClosed, "frame on a closed stream")
	errHalfClosed      = streamFault(ErrCodeStreamClosed, "frame after END_STREAM")
	errAfterReset      = streamFault(ErrCodeStreamClosed, "frame after RST_STREAM")
	errTrailersNotLast = streamFault(ErrCodeProtocol, "second HEADERS frame without END_STREAM")
)

// String names the state as RFC 9113 does.
func (s streamState) String() string {
	switch s {
	case stateIdle:
		return "idle"
	case stateOpen:
		return "open"
	case stateHalfClosedLocal:
		return "half-closed (local)"
	case stateHalfClosedRemote:
		return "half-closed (remote)"
	case stateClosedEnded:
		return "closed (ended)"
	case stateClosedLocalReset:
		return "closed (local reset)"
	case stateClosedPeerReset:
		return "closed (peer reset)"
	}
	return "unknown"
}

// closed reports whether the stream is over, for whatever cause.
func (s streamState) closed() bool { return s >= stateClosedEnded }

// canSend reports whether we may still send HEADERS and DATA.
func (s streamState) canSend() bool { return s == stateOpen || s == stateHalfClosedRemote }

// canRecv reports whether the peer may still send HEADERS and DATA.
func (s streamState) canRecv() bool { return s == stateOpen || s == stateHalfClosedLocal }

// recvHeaders counts a HEADERS frame of the peer: the first one opens the stream, the second one carries the
// trailers and must end it (RFC 9113 section 8.1).
func (s *streamState) recvHeaders(endStream bool) error {
	switch *s {
	case stateIdle:
		*s = stateOpen
		if endStream {
			*s = stateHalfClosedRemote
		}
		return nil
	case stateOpen, stateHalfClosedLocal:
		if !endStream {
			return errTrailersNotLast
		}
		s.endRecv()
		return nil
	}
	return s.late()
}

// recvData counts a DATA frame, or the last fragment of one when endStream is to be true.
func (s *streamState) recvData(endStream bool) error {
	switch *s {
	case stateIdle:
		return errIdleFrame
	case stateOpen, stateHalfClosedLocal:
		if endStream {
			s.endRecv()
		}
		return nil
	}
	return s.late()
}

// recvReset counts a RST_STREAM frame. On errIgnoreFrame the stream was closed already.
func (s *streamState) recvReset() error {
	switch {
	case *s == stateIdle:
		return errIdleFrame
	case s.closed():
		return errIgnoreFrame
	}
	*s = stateClosedPeerReset
	return nil
}

// recvWindowUpdate says what a WINDOW_UPDATE frame means; it changes no state. It is worth nothing, but no
// fault, after we sent END_STREAM.
func (s streamState) recvWindowUpdate() error {
	switch s {
	case stateIdle:
		return errIdleFrame
	case stateHalfClosedLocal, stateClosedEnded, stateClosedLocalReset:
		return errIgnoreFrame
	case stateClosedPeerReset:
		return errAfterReset
	}
	return nil
}

// late is what DATA and HEADERS mean after the peer's END_STREAM or any RST_STREAM.
func (s streamState) late() error {
	switch s {
	case stateHalfClosedRemote:
		return errHalfClosed
	case stateClosedEnded:
		return errStreamEnded
	case stateClosedLocalReset:
		return errIgnoreFrame
	case stateClosedPeerReset:
		return errAfterReset
	}
	panic("BUG: h2 stream state: frame is not late in state " + s.String())
}

// sendHeaders counts a HEADERS frame of ours; several are allowed (1xx, final, trailers).
func (s *streamState) sendHeaders(endStream bool) { s.send("HEADERS", endStream) }

// sendData counts a DATA frame of ours.
func (s *streamState) sendData(endStream bool) { s.send("DATA", endStream) }

// sendReset counts a RST_STREAM frame of ours. On a stream that is closed already nothing is to be sent: it
// then returns false.
func (s *streamState) sendReset() bool {
	if *s == stateIdle {
		panic("BUG: h2 stream state: RST_STREAM on an idle stream")
	}
	if s.closed() {
		return false
	}
	*s = stateClosedLocalReset
	return true
}

func (s *streamState) send(what string, endStream bool) {
	if !s.canSend() {
		panic("BUG: h2 stream state: sending " + what + " in state " + s.String())
	}
	switch {
	case !endStream:
	case *s == stateOpen:
		*s = stateHalfClosedLocal
	default:
		*s = stateClosedEnded
	}
}

func (s *streamState) endRecv() {
	if *s == stateOpen {
		*s = stateHalfClosedRemote
		return
	}
	*s = stateClosedEnded
}
