package h2

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

const (
	statusOK             = 200
	statusFieldsTooLarge = 431
	statusInternal       = 500

	responseInline = 192     // a small body needs no chunk
	responseChunk  = 4 << 10 // what is copied; longer writes are lent to the connection
)

// Errors of a Response.
var (
	// ErrBodyNotAllowed: a response with status 204 or 304 has no body (RFC 9110 sections 15.3.5, 15.4.5).
	ErrBodyNotAllowed = errors.New("h2: this status has no body; write nothing, or set another status")
	// ErrContentLength: more or fewer octets were written than the content-length says.
	ErrContentLength = errors.New("h2: the body does not have the declared content-length")
	// ErrHeadersSent: it is too late to change status or fields.
	ErrHeadersSent = errors.New("h2: the response's header section was already sent; set status and fields before the first Flush or large Write")
)

// Response is the response to a request. It belongs to the handler, on its core, until the handler returns; nothing
// of it may be used afterwards.
//
// Status and fields are collected until the header section is sent: by Flush, by a write that does not fit into
// the response's buffer (4 KiB), or when the handler returns. A response that fits gets its content-length by itself,
// every response its date. A handler that does nothing answers 200 with an empty body.
type Response struct {
	s *stream

	status   int
	fields   []Field
	trailers []Field
	declared int64 // content-length, -1: not known
	written  int64
	err      error // a fault of the handler that spoils the response

	tunnel    bool // the request was CONNECT: the length of a 2xx is not told
	headOnly  bool // the request was HEAD: octets are counted, not sent
	hasDate   bool
	committed bool // status and fields are final
	headSent  bool // ... and written to the peer
	done      bool // the handler has returned: the end follows what is buffered

	// buf[off:] is copied body, lent the rest of the buffer of the task parked in Write; both wait to be sent.
	buf   []byte
	off   int
	chunk []byte // pooled memory behind buf, nil: inline
	lent  []byte

	inline [responseInline]byte
}

// SetStatus sets the status code, 200 to 999; the default is 200. For 1xx use Informational. The error is
// ErrHeadersSent, or says that the code is out of range.
func (w *Response) SetStatus(code int) error {
	if w.committed {
		return ErrHeadersSent
	}
	if code < 200 || code > 999 {
		return w.spoil(fmt.Errorf("h2: status %d is not a final status, want 200 to 999", code))
	}
	if w.written > 0 && !bodyAllowed(code) {
		return w.spoil(ErrBodyNotAllowed)
	}
	w.status = code
	return nil
}

// WriteHeader is SetStatus for those who are used to net/http. It does not send anything yet.
func (w *Response) WriteHeader(code int) { _ = w.SetStatus(code) }

// SetContentLength declares the length of the body in octets before the header section is sent. Not needed for
// a body that fits into the buffer.
func (w *Response) SetContentLength(n int64) error {
	if w.committed {
		return ErrHeadersSent
	}
	if n < 0 {
		return w.spoil(fmt.Errorf("h2: content-length %d is negative", n))
	}
	w.declared = n
	return nil
}

// Set sets a field, in place of those with the same name. Names should be lower case (others are converted, which
// allocates). A name or value that HTTP/2 does not allow (RFC 9113 section 8.2) spoils the response: the error is
// returned here and by later writes, and the client gets status 500 or RST_STREAM(INTERNAL_ERROR).
func (w *Response) Set(name, value string) error { return w.setField(name, value, true) }

// Add adds a field and keeps those with the same name. See Set.
func (w *Response) Add(name, value string) error { return w.setField(name, value, false) }

func (w *Response) setField(name, value string, replace bool) error {
	if w.committed {
		return ErrHeadersSent
	}
	name, err := w.checkField(name, value)
	if err != nil {
		return err
	}
	switch name {
	case "content-length":
		n, err := strconv.ParseInt(value, 10, 63)
		if err != nil {
			return w.spoil(fmt.Errorf("h2: content-length %q is not a number of octets", value))
		}
		return w.SetContentLength(n)
	case "date":
		w.hasDate = true
	}
	if replace {
		w.fields = removeFields(w.fields, name)
	}
	w.fields = append(w.fields, Field{Name: name, Value: value})
	return nil
}

// Trailer adds a field that is sent after the body. It may be called until the handler returns. See Set.
func (w *Response) Trailer(name, value string) error {
	name, err := w.checkField(name, value)
	if err != nil {
		return err
	}
	w.trailers = append(w.trailers, Field{Name: name, Value: value})
	return nil
}

func (w *Response) checkField(name, value string) (string, error) {
	if err := w.s.task.check("Response"); err != nil {
		return "", err
	}
	if !validFieldName(name) {
		lower := strings.ToLower(name)
		if !validFieldName(lower) {
			return "", w.spoil(fmt.Errorf("h2: field name %q is not allowed", name))
		}
		name = lower
	}
	if !validFieldValue(value) {
		return "", w.spoil(fmt.Errorf("h2: value %q of field %s is not allowed", value, name))
	}
	if connectionField(name) {
		return "", w.spoil(fmt.Errorf("h2: field %s belongs to HTTP/1 connections (RFC 9113 section 8.2.2), leave it out", name))
	}
	return name, nil
}

func removeFields(fields []Field, name string) []Field {
	kept := fields[:0]
	for _, f := range fields {
		if f.Name != name {
			kept = append(kept, f)
		}
	}
	return kept
}

// spoil remembers the first fault of the handler.
func (w *Response) spoil(err error) error {
	if w.err == nil {
		w.err = err
	}
	return err
}

// Write writes body octets. Few are copied and sent when the buffer is full, at Flush or at the end; many are
// sent straight out of p, while the task is parked until the peer's flow-control windows let them all go (task).
// The error is ErrBodyNotAllowed, ErrContentLength, a *StreamError or *ConnectionError, a fault of Set, or the
// reason why the task was canceled; n octets were taken.
func (w *Response) Write(p []byte) (n int, err error) {
	if err := w.unwritable(len(p)); err != nil {
		return 0, err
	}
	w.written += int64(len(p))
	if w.headOnly || len(p) == 0 {
		return len(p), nil
	}
	if w.buffer(p) {
		return len(p), nil
	}
	return w.lend(p)
}

// WriteString is Write for a string.
func (w *Response) WriteString(s string) (int, error) {
	return w.Write(unsafe.Slice(unsafe.StringData(s), len(s))) // Write does not change its argument
}

// Flush sends the header section and what is buffered at the end of this turn. It does not wait.
func (w *Response) Flush() error {
	if err := w.unwritable(0); err != nil {
		return err
	}
	w.commit()
	w.s.c.place(w.s)
	return nil
}

func (w *Response) unwritable(n int) error {
	s := w.s
	if err := s.task.check("Response"); err != nil {
		return err
	}
	switch {
	case s.c == nil || !s.handling:
		return ErrHandlerReturned
	case s.err != nil:
		return s.err
	case w.err != nil:
		return w.err
	case n > 0 && !bodyAllowed(w.status):
		return ErrBodyNotAllowed
	case w.declared >= 0 && w.written+int64(n) > w.declared:
		return ErrContentLength
	case w.lent != nil:
		return errTwoWriters
	}
	return nil
}

func bodyAllowed(status int) bool { return status != 204 && status != 304 }

// buffer copies p if there is room for it.
func (w *Response) buffer(p []byte) bool {
	if len(w.buf)+len(p) > cap(w.buf) && !w.makeRoom(len(p)) {
		return false
	}
	w.buf = append(w.buf, p...)
	if w.committed {
		w.s.c.place(w.s)
	}
	return true
}

func (w *Response) makeRoom(n int) bool {
	switch need := len(w.buf) + n; {
	case need <= responseInline && w.buf == nil:
		w.buf = w.inline[:0]
		return true
	case need <= responseChunk && w.chunk == nil:
		w.chunk = w.s.c.pool.chunk(responseChunk)
		w.buf = w.chunk[:copy(w.chunk, w.buf)]
		return true
	}
	return false
}

// lend parks the task until flush has cut frames out of all of p.
func (w *Response) lend(p []byte) (int, error) {
	s := w.s
	w.commit()
	w.lent = p
	s.c.place(s)
	for len(w.lent) > 0 {
		err := s.park(sideWrite)
		if s.err != nil && err == nil {
			err = s.err
		}
		if err != nil && len(w.lent) > 0 {
			n := len(p) - len(w.lent)
			w.lent = nil
			w.spoil(fmt.Errorf("h2: a write to the response was given up: %w", err))
			return n, err
		}
	}
	w.lent = nil
	if s.err == ErrHandlerReturned {
		return 0, ErrHandlerReturned
	}
	return len(p), nil
}

// Informational sends a response with a 1xx status, such as 103 with link fields (RFC 9110 section 15.2); the final
// one follows. 101 does not exist in HTTP/2.
func (w *Response) Informational(code int, fields ...Field) error {
	if err := w.unwritable(0); err != nil {
		return err
	}
	if w.committed {
		return ErrHeadersSent
	}
	if code < 100 || code > 199 || code == 101 {
		return fmt.Errorf("h2: status %d is not informational, want 100 or 102 to 199", code)
	}
	fields = slices.Clone(fields)
	for i, f := range fields {
		name, err := w.checkField(f.Name, f.Value)
		if err != nil {
			return err
		}
		fields[i].Name = name
	}
	w.s.expect = w.s.expect && code != 100
	w.sendInformational(code, fields)
	return nil
}

func (w *Response) sendContinue() {
	if !w.committed {
		w.sendInformational(100, nil)
	}
}

// sendInformational writes the section to the control frames: they are sent in this order, and before any section
// that is encoded after it.
func (w *Response) sendInformational(code int, fields []Field) {
	c := w.s.c
	dst := c.control()
	at := len(dst)
	c.enc.begin(openHeaders(dst))
	c.enc.status(code)
	for _, f := range fields {
		c.enc.field(f.Name, f.Value)
	}
	c.ctrl = closeHeaders(c.enc.end(), at, w.s.id, false, int(c.peer.MaxFrameSize))
}

// commit makes status and fields final. A 204 and an accepted CONNECT must not have a content-length (RFC 9110 section 8.6).
func (w *Response) commit() {
	if !w.committed && (w.status == 204 || w.tunnel && w.status < 300) {
		w.declared = -1
	}
	w.committed = true
	w.s.expect = false
}
