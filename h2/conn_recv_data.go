package h2

import "time"

var (
	errBodyLong       = streamFault(ErrCodeProtocol, "request body is longer than its content-length")
	errBodyShort      = streamFault(ErrCodeProtocol, "request body is shorter than its content-length")
	errTrailersTooBig = streamFault(ErrCodeEnhanceYourCalm, "trailer section is beyond the header limits")
)

// recvData takes a fragment of a DATA frame. Padding counts for both windows and is given back at once, like all
// of a frame that nobody will read: else the connection's window would leak away (RFC 9113 sections 6.1, 5.1).
func (c *conn) recvData(now time.Duration, f *frame) error {
	if !c.in.take(f.flow) {
		return errWindowExceeded
	}
	s := c.streams.get(f.h.StreamID)
	if s == nil {
		c.creditConn(f.flow)
		state, err := c.late(f.h.StreamID)
		if err != nil {
			return err
		}
		return state.recvData(f.endStream())
	}
	err := s.state.recvData(f.endStream())
	if err == nil && !s.in.take(f.flow) {
		err = errStreamWindowExceeded
	}
	if err != nil {
		c.creditConn(f.flow)
		return err
	}
	s.received += int64(len(f.payload))
	if s.declared >= 0 && s.received > s.declared {
		c.creditConn(f.flow)
		return errBodyLong
	}
	s.dataAt = now
	if padding := f.flow - len(f.payload); padding > 0 {
		s.credit(padding)
	}
	if len(f.payload) > 0 {
		s.body.push(f.payload)
	}
	if f.endStream() {
		return s.endBody(now)
	}
	return nil
}

// endBody notes the end of the request body.
func (s *stream) endBody(now time.Duration) error {
	if s.declared >= 0 && s.received != s.declared {
		return errBodyShort
	}
	s.body.ended = true
	s.task.wake(sideRead)
	if s.state.closed() {
		s.closed() // the response was complete before the request
	}
	return nil
}

// credit gives n octets back to both windows. The stream's own is of no use any more once its body has ended.
func (s *stream) credit(n int) {
	if s.state.canRecv() {
		if inc := s.in.consume(n); inc > 0 {
			s.c.ctrl = appendWindowUpdate(s.c.control(), s.id, inc)
		}
	}
	s.c.creditConn(n)
}

// creditConn gives n octets back to the connection's window.
func (c *conn) creditConn(n int) {
	if inc := c.in.consume(n); inc > 0 && c.state != connClosed {
		c.ctrl = appendWindowUpdate(c.control(), 0, inc)
	}
}
