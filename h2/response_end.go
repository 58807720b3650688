package h2

// begin prepares the response to a request whose method is known.
func (w *Response) begin(method string) {
	w.headOnly = method == "HEAD"
	w.tunnel = method == "CONNECT"
}

// pending returns how many body octets wait to be sent.
func (w *Response) pending() int { return len(w.buf) - w.off + len(w.lent) }

// finish completes the response after the handler returned.
func (w *Response) finish() {
	s := w.s
	if w.err != nil || w.short() {
		w.fail()
		return
	}
	s.body.discard()
	if !w.committed {
		w.declare()
		w.commit()
	}
	w.done = true
	s.c.place(s)
}

// short reports that the body has fewer octets than declared. A response to HEAD and a 304 may declare what they
// do not send (RFC 9110 section 8.6).
func (w *Response) short() bool {
	if w.declared < 0 || w.written == w.declared || w.headOnly || !bodyAllowed(w.status) {
		return false
	}
	w.err = ErrContentLength
	return true
}

// declare adds the content-length that is known now. A HEAD gets one if the handler wrote the body it would have sent.
func (w *Response) declare() {
	if w.declared < 0 && w.status != 304 && !(w.headOnly && w.written == 0) && len(w.trailers) == 0 {
		w.declared = w.written
	}
}

// fail answers for a handler that spoiled its response or ended without returning: status 500 if nothing was sent
// yet, else RST_STREAM, so that nobody takes the part for the whole.
func (w *Response) fail() {
	s := w.s
	m := &s.c.pool.metrics
	m.HandlerFailures++
	if w.headSent {
		s.resetLocal(ErrCodeInternal, "the handler failed")
		return
	}
	s.body.discard()
	w.drop()
	w.clearFields()
	w.err = nil
	w.refuse(statusInternal)
}

// refuse answers with a status and no body.
func (w *Response) refuse(status int) {
	w.status = status
	w.declared = 0
	w.hasDate = false
	w.committed, w.done = true, true
	w.s.c.place(w.s)
}

// drop forgets what waits to be sent.
func (w *Response) drop() {
	if w.chunk != nil {
		w.s.c.pool.freeChunk(w.chunk)
		w.chunk = nil
	}
	w.buf, w.off = nil, 0
}

// sent takes n octets of the front of what waits, and wakes the writer if all of it is gone.
func (w *Response) sent(n int) {
	k := min(n, len(w.buf)-w.off)
	w.off += k
	if w.off == len(w.buf) && w.off > 0 {
		w.drop()
	}
	if n -= k; n > 0 {
		w.lent = w.lent[n:]
		if len(w.lent) == 0 {
			w.s.task.wake(sideWrite)
		}
	}
}

// appendBody appends the first n octets of what waits.
func (w *Response) appendBody(dst []byte, n int) []byte {
	k := min(n, len(w.buf)-w.off)
	dst = append(dst, w.buf[w.off:w.off+k]...)
	return append(dst, w.lent[:n-k]...)
}

func (w *Response) clearFields() {
	clear(w.fields)
	clear(w.trailers)
	w.fields, w.trailers = w.fields[:0], w.trailers[:0]
	if cap(w.fields) > fieldsPooledMax {
		w.fields = nil
	}
	if cap(w.trailers) > fieldsPooledMax {
		w.trailers = nil
	}
}

func (w *Response) reset() {
	w.clearFields()
	w.status, w.declared, w.written, w.err = statusOK, -1, 0, nil
	w.tunnel, w.headOnly, w.hasDate, w.committed, w.headSent, w.done = false, false, false, false, false, false
	w.buf, w.off, w.chunk, w.lent = nil, 0, nil, nil
}
