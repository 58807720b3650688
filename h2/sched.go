package h2

import "time"

const (
	// flushMax is about how much one flush returns; the rest follows in the next turn.
	flushMax = 64 << 10
	// quantum is the share of one stream before the next one has its turn.
	quantum = frameSizeMin
)

// streamQueue is a queue of streams, linked through them: a stream is in at most one.
type streamQueue struct{ first, last *stream }

func (q *streamQueue) push(s *stream) {
	s.queue, s.prev, s.next = q, q.last, nil
	if q.last == nil {
		q.first = s
	} else {
		q.last.next = s
	}
	q.last = s
}

func (q *streamQueue) remove(s *stream) {
	if s.queue != q {
		panic("BUG: h2: stream is not in this queue")
	}
	if s.prev == nil {
		q.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		q.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.queue, s.prev, s.next = nil, nil, nil
}

// place puts s where it belongs after anything about its output or its windows changed; it keeps its turn in a queue
// where it is already.
func (c *conn) place(s *stream) {
	q := c.queueOf(s)
	switch {
	case q == &c.heads, q == &c.ready:
		s.stallAt = 0
		c.host.touch()
	case s.res.pending() == 0:
		s.stallAt = 0
	}
	if s.queue == q {
		return
	}
	if s.queue != nil {
		s.queue.remove(s)
	}
	if q != nil {
		q.push(s)
	}
}

// queueOf says where s belongs: nil when it has nothing to send, or waits for its own window.
func (c *conn) queueOf(s *stream) *streamQueue {
	w := &s.res
	switch {
	case !w.committed || !s.state.canSend():
		return nil
	case !w.headSent:
		return &c.heads
	case w.pending() > 0:
		return c.queueOfData(s)
	case w.done:
		return &c.ready
	}
	return nil
}

func (c *conn) queueOfData(s *stream) *streamQueue {
	if s.out.available() > 0 && c.out.available() > 0 {
		return &c.ready
	}
	if s.stallAt == 0 {
		s.stallAt = c.host.now()
		c.noteStream(s.stallAt)
	}
	if s.out.available() > 0 {
		return &c.blocked
	}
	return nil
}

// unblock gives the streams that waited for the connection's window their turn, in their order.
func (c *conn) unblock() {
	for s := c.blocked.first; s != nil && c.out.available() > 0; s = c.blocked.first {
		c.place(s)
	}
}

// hasOutput reports whether flush has something to send.
func (c *conn) hasOutput() bool {
	return len(c.ctrl) > 0 || c.heads.first != nil || c.ready.first != nil
}

// flush appends what is to be sent now: control frames first, then header sections, then DATA, a quantum for each
// stream in turn. wantFlush tells whether more is left.
func (c *conn) flush(now time.Duration, dst []byte) []byte {
	limit := len(dst) + flushMax
	if c.ctrl != nil {
		dst = append(dst, c.ctrl...)
		c.pool.putCtrl(c.ctrl)
		c.ctrl, c.replies = nil, 0
	}
	for s := c.heads.first; s != nil && len(dst) < limit; s = c.heads.first {
		dst = c.flushHead(dst, s)
	}
	for s := c.ready.first; s != nil && len(dst) < limit; s = c.ready.first {
		c.ready.remove(s)
		dst = c.flushBody(dst, s)
	}
	return dst
}

// wantFlush reports whether another flush would return something.
func (c *conn) wantFlush() bool { return c.hasOutput() }

// flushHead appends the header section of s; a body that is complete and small goes with it.
func (c *conn) flushHead(dst []byte, s *stream) []byte {
	w := &s.res
	c.heads.remove(s)
	w.headSent = true
	end := w.done && w.pending() == 0 && len(w.trailers) == 0
	dst = c.appendHead(dst, s, end)
	s.state.sendHeaders(end)
	if end {
		return s.sentEnd(dst)
	}
	const smallMax = 1 << 10
	if n := w.pending(); w.done && n <= smallMax && n <= s.out.available() && n <= c.out.available() {
		return c.flushBody(dst, s)
	}
	c.place(s)
	return dst
}

func (c *conn) appendHead(dst []byte, s *stream, end bool) []byte {
	w := &s.res
	at := len(dst)
	e := &c.enc
	e.begin(openHeaders(dst))
	e.status(w.status)
	if !w.hasDate && c.pool.date != "" {
		e.field("date", c.pool.date)
	}
	if w.declared >= 0 {
		e.contentLength(w.declared)
	}
	for i := range w.fields {
		e.field(w.fields[i].Name, w.fields[i].Value)
	}
	return closeHeaders(e.end(), at, s.id, end, int(c.peer.MaxFrameSize))
}

// flushBody appends one DATA frame of s, and its end if it has come. s is in no queue.
func (c *conn) flushBody(dst []byte, s *stream) []byte {
	w := &s.res
	waiting := w.pending()
	n := min(waiting, quantum, s.out.available(), c.out.available())
	end := w.done && n == waiting && len(w.trailers) == 0
	if n > 0 || end {
		dst = appendDataHeader(dst, s.id, n, end)
		dst = w.appendBody(dst, n)
		s.out.take(n)
		c.out.take(n)
		s.state.sendData(end)
		w.sent(n)
	}
	if !end && w.done && n == waiting {
		dst = c.flushTrailers(dst, s)
		end = true
	}
	if end {
		return s.sentEnd(dst)
	}
	c.place(s)
	return dst
}

func (c *conn) flushTrailers(dst []byte, s *stream) []byte {
	at := len(dst)
	c.enc.begin(openHeaders(dst))
	for _, f := range s.res.trailers {
		c.enc.field(f.Name, f.Value)
	}
	s.state.sendHeaders(true)
	return closeHeaders(c.enc.end(), at, s.id, true, int(c.peer.MaxFrameSize))
}
