package simtest

import (
	"fmt"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// stream is a request with the answer that it must get.
type stream struct {
	c    *client
	id   uint32
	kind act
	n    int // what the request asks for
	path string

	sent    int   // of the body
	room    int64 // what we may send
	win     window
	hasty   bool // sent before the server's SETTINGS were here: its windows may be smaller (RFC 9113 section 6.9.3)
	fields  bool // the answer's header section is here
	got     int  // bytes of its body
	trailer bool
	ended   bool // END_STREAM
	reset   bool // ... or RST_STREAM, ours or theirs
	ours    bool // we reset it
	code    http2.ErrCode

	endsWithBlock bool
}

func (s *stream) over() bool { return s.ended || s.reset }

// open sends a request of this kind, if the server lets us.
func (c *client) open(kind act, n int) {
	open := 0
	for _, s := range c.order {
		if !s.over() {
			open++
		}
	}
	if c.over || c.goaway || c.ended || open >= c.most {
		return
	}
	s := &stream{c: c, id: c.next, kind: kind, n: n, room: c.theirs, hasty: !c.greeted}
	s.win.left = c.initial
	c.next += 2
	c.streams[s.id], c.order = s, append(c.order, s)
	dir := map[act]string{get: "/bytes/", post: "/echo/", lines: "/lines/", sleep: "/sleep/", panics: "/panic/", early: "/early/"}[kind]
	s.path = dir + strconv.Itoa(n)
	method := "GET"
	body := kind == post || kind == early
	if body {
		method = "POST"
	}
	c.writeBlock(s.id, !body, hpack.HeaderField{Name: ":method", Value: method}, hpack.HeaderField{Name: ":scheme", Value: "http"},
		hpack.HeaderField{Name: ":path", Value: s.path}, hpack.HeaderField{Name: ":authority", Value: "sim"},
		hpack.HeaderField{Name: "x-client", Value: strconv.Itoa(c.id)})
	c.p.note("client %d opens stream %d %s", c.id, s.id, s.path)
	s.sendBody()
}

// hasBody reports whether the request has one.
func (s *stream) hasBody() bool { return s.kind == post || s.kind == early }

const bodyFrameMax = 5000

// sendBody sends what the windows let go.
func (s *stream) sendBody() {
	for s.hasBody() && !s.reset && !s.done() && !s.c.over {
		k := min(int64(s.n-s.sent), bodyFrameMax, s.room, s.c.room)
		pad := []byte(nil)
		if s.c.padded && k > 20 {
			k -= 20 // the padding and its length count, too
			pad = make([]byte, 19)
		}
		if k <= 0 && s.n > s.sent {
			return
		}
		p := make([]byte, k)
		for i := range p {
			p[i] = patternAt(s.sent + i)
		}
		s.sent += int(k)
		used := k
		if pad != nil {
			used += 20
		}
		s.room, s.c.room = s.room-used, s.c.room-used
		s.c.fr.WriteDataPadded(s.id, s.sent == s.n, p, pad)
		if s.sent == s.n {
			s.sent++ // done
		}
	}
}

// done reports whether the request is complete.
func (s *stream) done() bool { return s.sent > s.n }

func (s *stream) credit() {
	if s.win.unread > 0 && !s.over() {
		s.c.fr.WriteWindowUpdate(s.id, uint32(s.win.unread))
		s.win.left, s.win.unread = s.win.left+s.win.unread, 0
	}
}

func (s *stream) fault(format string, args ...any) {
	s.c.p.fault("client %d stream %d %s: %s", s.c.id, s.id, s.path, fmt.Sprintf(format, args...))
}

func (s *stream) gotFields(fields []hpack.HeaderField, end bool) {
	if s.ended || s.reset && !s.ours {
		s.fault("fields after the end")
	}
	value := map[string]string{}
	for _, f := range fields {
		value[f.Name] = f.Value
	}
	if s.fields {
		s.trailer = true
		if s.kind != lines || value["x-lines"] != strconv.Itoa(s.n) || !end {
			s.fault("wrong trailers %v, end %v", fields, end)
		}
	} else if want := s.status(); value[":status"] != want || want == "200" && value["x-path"] != s.path {
		s.fault("wrong fields %v, want status %s", fields, want)
	}
	s.fields = true
	if end {
		s.finish()
	}
}

func (s *stream) status() string {
	if s.kind == panics {
		return "500"
	}
	return "200"
}

// body is the length of the answer's body, and its byte at i.
func (s *stream) body() (n int, at func(i int) byte) {
	switch s.kind {
	case get, post:
		return s.n, patternAt
	case lines:
		text := ""
		for i := range s.n {
			text += fmt.Sprintf("line %d\n", i)
		}
		return len(text), func(i int) byte { return text[i] }
	case sleep:
		return 5, func(i int) byte { return "slept"[i] }
	case early:
		return 5, func(i int) byte { return "early"[i] }
	}
	return 0, nil
}

func (s *stream) gotBody(p []byte, end bool) {
	n, at := s.body()
	if !s.fields || s.ended || s.reset && !s.ours || s.got+len(p) > n {
		s.fault("%d bytes of body after %d of %d, fields %v, ended %v", len(p), s.got, n, s.fields, s.ended)
		return
	}
	for i, b := range p {
		if b != at(s.got+i) {
			s.fault("byte %d is %q, want %q", s.got+i, b, at(s.got+i))
			return
		}
	}
	s.got += len(p)
	if end {
		s.finish()
	}
}

// finish checks that the answer is whole.
func (s *stream) finish() {
	s.ended = true
	if n, _ := s.body(); s.got != n || s.trailer != (s.kind == lines) {
		s.fault("ended after %d of %d bytes, trailers %v", s.got, n, s.trailer)
	}
}

// gotReset checks that the server had a reason.
func (s *stream) gotReset(code http2.ErrCode) {
	if s.reset && !s.ours {
		s.fault("reset twice")
	}
	legal := s.ours || s.hasty && code == http2.ErrCodeFlowControl || s.c.excuse != "" ||
		s.kind == panics && code == http2.ErrCodeInternal ||
		s.ended && code == http2.ErrCodeNo && s.kind == early ||
		code == http2.ErrCodeRefusedStream && s.c.resets // the handlers of streams that were reset still count
	if !legal {
		s.fault("RST_STREAM %v without a reason", code)
	}
	s.reset, s.code = true, code
}
