package h2

import (
	"context"
	"strings"
)

// Request is a request. It belongs to the handler, on its core, until the handler returns; its strings stay valid,
// the slices returned by Fields and Trailers do not.
type Request struct {
	// Method is :method.
	Method string
	// Scheme is :scheme, "" for CONNECT.
	Scheme string
	// Authority is :authority, or the host field if there is none.
	Authority string
	// Path is :path as it came, with the query: RawPath and Query split it. "*" for OPTIONS of the whole server, ""
	// for CONNECT.
	Path string
	// Body is the request body, empty if there is none.
	Body *Body
	// ContentLength is the value of the content-length field, -1 if there is none.
	ContentLength int64

	s        *stream
	fields   []Field
	trailers []Field
	head     section
	ctx      context.Context
	cancel   context.CancelCauseFunc
}

// Fields returns the fields in their order, without pseudo-header fields, cookie crumbs joined to one cookie field
// (RFC 9113 section 8.2.3). Names are lower case.
func (r *Request) Fields() []Field { return r.fields }

// Get returns the first value of the field with that lower-case name, "" if there is none.
func (r *Request) Get(name string) string {
	for i := range r.fields {
		if r.fields[i].Name == name {
			return r.fields[i].Value
		}
	}
	return ""
}

// Trailers returns the fields that followed the body. They are complete when Body.Read has returned io.EOF.
func (r *Request) Trailers() []Field { return r.trailers }

// RawPath returns Path without the query.
func (r *Request) RawPath() string {
	path, _, _ := strings.Cut(r.Path, "?")
	return path
}

// Query returns the part of Path behind the first question mark.
func (r *Request) Query() string {
	_, query, _ := strings.Cut(r.Path, "?")
	return query
}

// StreamID returns the identifier of the request's stream, which is its name in logs and errors.
func (r *Request) StreamID() uint32 { return r.s.id }

// Context returns a context that is canceled when the stream is reset, the connection is gone, or the handler
// returned; context.Cause tells which. It is made by the first call. Never wait for its Done channel in a task: use
// it for what runs on other goroutines.
func (r *Request) Context() context.Context {
	if r.ctx == nil {
		r.ctx, r.cancel = context.WithCancelCause(context.Background())
		if r.s.err != nil {
			r.cancel(r.s.err)
		}
	}
	return r.ctx
}

func (r *Request) reset() {
	clear(r.fields)
	clear(r.trailers)
	fields, trailers := r.fields[:0], r.trailers[:0]
	if cap(fields) > fieldsPooledMax {
		fields = nil
	}
	if cap(trailers) > fieldsPooledMax {
		trailers = nil
	}
	*r = Request{s: r.s, Body: r.Body, fields: fields, trailers: trailers, ContentLength: -1}
}

// begin returns the sink of the request's header section.
func (r *Request) begin() fieldSink {
	r.head = section{r: r}
	return &r.head
}

// finish checks the header section; the error is a *streamError.
func (r *Request) finish(endStream bool) error {
	if err := r.head.finish(); err != nil {
		return err
	}
	if endStream {
		r.s.expect = false
	}
	r.s.res.begin(r.Method)
	return nil
}

// beginTrailers returns the sink of the trailer section.
func (r *Request) beginTrailers() fieldSink {
	r.head = section{r: r, trailers: true}
	return &r.head
}

// finishTrailers checks the trailer section; the error is a *streamError.
func (r *Request) finishTrailers() error { return r.head.err }
