package h2

import "errors"

var (
	errHandlerEnded = errors.New("h2: the handler ended by a panic or runtime.Goexit")
	errTwoReaders   = errors.New("h2: another task is reading this body; let one read")
	errTwoWriters   = errors.New("h2: another task is in Write of this response; let one write")
	errConnClosed   = errors.New("h2: the connection was closed")
	// ErrHandlerReturned is what the methods of a Request's Body and of a Response return to a task that the
	// handler left behind: both belong to the handler until it returns.
	ErrHandlerReturned = errors.New("h2: the handler has returned; wait for tasks that use its Request or Response before returning")
)

// A stream ends in one of these ways; each leads to closed once, and to letGo.
//
//	END_STREAM both ways    sentEnd, endBody ------------------+
//	RST_STREAM by the peer  over ------------------------------+
//	RST_STREAM by us        resetLocal: RST_STREAM, over ------+--> closed --> letGo
//	connection gone         abandon ---------------------------+

// resetLocal ends s by a RST_STREAM of ours.
func (s *stream) resetLocal(code ErrCode, reason string) {
	if !s.state.sendReset() && s.c.streams.get(s.id) != s {
		return
	}
	s.c.sendReset(s.id, code)
	s.over(code, reason, InitiatorLocal)
}

// over ends s after a RST_STREAM was received or queued.
func (s *stream) over(code ErrCode, reason string, by Initiator) {
	if s.handling {
		s.err = &StreamError{StreamID: s.id, Code: code, Reason: reason, Initiator: by}
	}
	s.closed()
}

// abandon ends s because its connection is over.
func (s *stream) abandon(err error) {
	s.err = err
	if !s.state.closed() {
		s.state = stateClosedLocalReset
	}
	s.closed()
}

// sentEnd is called after END_STREAM was written to dst. A client that is still sending a body which nobody will
// read is asked to stop: "a server MAY request that the client abort transmission of a request without error by
// sending a RST_STREAM with an error code of NO_ERROR after sending a complete response" (RFC 9113 section 8.1).
func (s *stream) sentEnd(dst []byte) []byte {
	if s.state.canRecv() && s.state.sendReset() {
		s.c.pool.metrics.ResetsOut.count(ErrCodeNo)
		dst = appendRSTStream(dst, s.id, ErrCodeNo)
	}
	if s.state.closed() {
		s.closed()
	}
	return dst
}

// closed takes s off the wire. What the peer sent and nobody read is given back to the connection's window; what
// waits to be sent is dropped, and tasks that wait see s.err.
func (s *stream) closed() {
	c := s.c
	c.streams.remove(s)
	c.history.close(s.id, s.state)
	if s.queue != nil {
		s.queue.remove(s)
	}
	if c.block.s == s { // its trailers are being received: only the HPACK table still needs them
		c.block.s, c.dec.sink = nil, nil
	}
	s.body.discard()
	s.res.drop()
	if s.parked > 0 {
		s.wakeAll()
	}
	if s.req.cancel != nil {
		s.req.cancel(s.err)
	}
	s.letGo()
}

// served is called once, deferred, when the handler's call is over, whatever ended it.
func (s *stream) served() {
	s.handling = false
	if s.req.cancel != nil {
		s.req.cancel(ErrHandlerReturned)
	}
	if s.state.closed() {
		s.letGo()
		return
	}
	if s.parked > 0 {
		s.err = ErrHandlerReturned
		if s.res.lent != nil {
			s.res.spoil(s.err)
			s.res.lent = nil
		}
		s.wakeAll()
	}
	s.res.finish()
}
