package h2

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Handler answers requests. ServeH2 runs as a task on the core of the request's connection: it may block, but only
// through percore (reading the Body, writing the Response, the core's own Sleep, Offload and the like). Request
// and Response must not be used after it returned. A panic or runtime.Goexit ends the stream, never the core: the
// client gets status 500, or RST_STREAM(INTERNAL_ERROR) if the response had begun.
type Handler interface {
	ServeH2(w *Response, r *Request)
}

// HandlerFunc makes a function a Handler.
type HandlerFunc func(w *Response, r *Request)

// ServeH2 calls f.
func (f HandlerFunc) ServeH2(w *Response, r *Request) { f(w, r) }

// serve runs the handler; it is the body of the stream's task.
func (s *stream) serve() {
	defer s.handlerEnded()
	s.c.cfg.handler.ServeH2(&s.res, &s.req)
	s.returned = true
}

// handlerEnded is deferred by serve, so that it also sees a panic and runtime.Goexit. It does not park.
func (s *stream) handlerEnded() {
	if !s.returned {
		v := recover()
		c := s.c
		if v != nil {
			c.pool.metrics.HandlerPanics++
			c.cfg.logger.Error("h2: handler panicked; its stream was ended",
				slog.String("method", s.req.Method), slog.String("path", s.req.Path),
				slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
		}
		s.res.spoil(errHandlerEnded)
	}
	s.served()
}
