package simtest

import (
	"fmt"
	"slices"
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
	theirs  bool // the server did
	code    http2.ErrCode

	want  string          // the status, if not the kind's own
	legal []http2.ErrCode // with which the server may end it, for what we sent
	must  bool            // ... and must

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
	if open < c.most {
		c.request(kind, n)
	}
}

// request sends a request of this kind even if it may be refused.
func (c *client) request(kind act, n int) *stream {
	s := c.newStream(kind, n)
	if s == nil {
		return nil
	}
	method := "GET"
	if s.hasBody() {
		method = "POST"
	}
	s.send(s.request(method), !s.hasBody())
	s.sendBody()
	return s
}

// dir is where the kind's handler is.
func (a act) dir() string {
	switch a {
	case get:
		return "/bytes/"
	case post, trailers:
		return "/echo/"
	}
	return map[act]string{lines: "/lines/", sleep: "/sleep/", panics: "/panic/", early: "/early/", fields: "/fields/", spoil: "/spoil/"}[a]
}

// newStream returns the stream for the next request, nil if there can be none.
func (c *client) newStream(kind act, n int) *stream {
	if c.over || c.goaway || c.ended {
		return nil
	}
	s := &stream{c: c, id: c.next, kind: kind, n: n, room: c.theirs, hasty: !c.greeted, path: kind.dir() + strconv.Itoa(n)}
	s.win.left = c.initial
	if kind == spoil {
		s.legal, s.must = []http2.ErrCode{http2.ErrCodeInternal}, true
	}
	open := 0
	for _, o := range c.order {
		if !o.over() {
			open++
		}
	}
	if open >= c.most {
		s.legal = append(s.legal, http2.ErrCodeRefusedStream)
	}
	c.next += 2
	c.streams[s.id], c.order = s, append(c.order, s)
	return s
}

func (s *stream) request(method string) []hpack.HeaderField {
	return []hpack.HeaderField{{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: s.path},
		{Name: ":authority", Value: "sim"}, {Name: "x-client", Value: strconv.Itoa(s.c.id)}}
}

// send sends the request's fields.
func (s *stream) send(fields []hpack.HeaderField, end bool) {
	s.c.writeBlock(s.id, end, fields...)
	s.c.p.note("client %d opens stream %d %s", s.c.id, s.id, s.path)
}

// hasBody reports whether the request has one.
func (s *stream) hasBody() bool { return s.kind == post || s.kind == early || s.kind == trailers }

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
		s.c.fr.WriteDataPadded(s.id, s.sent == s.n && s.kind != trailers, p, pad)
		if s.sent == s.n {
			s.sent++ // done
			if s.kind == trailers {
				s.c.writeBlock(s.id, true, hpack.HeaderField{Name: "x-lines", Value: strconv.Itoa(s.n)})
			}
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

// hasTrailer reports whether the answer ends with trailers.
func (s *stream) hasTrailer() bool { return s.kind == lines || s.kind == trailers }

func (s *stream) checkFields(value map[string]string) {
	for i := range s.n {
		if value[fieldName(i)] != patternText {
			s.fault("field %s is %q", fieldName(i), value[fieldName(i)])
			return
		}
	}
}

func (s *stream) gotFields(section []hpack.HeaderField, end bool) {
	if s.ended || s.reset && !s.ours {
		s.fault("fields after the end")
	}
	value := map[string]string{}
	for _, f := range section {
		value[f.Name] = f.Value
	}
	if s.fields {
		s.trailer = true
		if !s.hasTrailer() || value["x-lines"] != strconv.Itoa(s.n) || !end {
			s.fault("wrong trailers %v, end %v", section, end)
		}
	} else if s.kind == spoil && value[":status"] == "500" { // nothing of the answer had been sent
		s.want, s.must = "500", false
	} else if want := s.status(); value[":status"] != want || want == "200" && value["x-path"] != s.path {
		s.fault("wrong fields %v, want status %s", value, want)
	} else if s.kind == fields {
		s.checkFields(value)
	}
	s.fields = true
	if end {
		s.finish()
	}
}

func (s *stream) status() string {
	switch {
	case s.want != "":
		return s.want
	case s.kind == panics:
		return "500"
	}
	return "200"
}

// body is the length of the answer's body, and its byte at i.
func (s *stream) body() (n int, at func(i int) byte) {
	if s.want != "" {
		return 0, nil
	}
	switch s.kind {
	case spoil:
		return len(spoilText), func(i int) byte { return spoilText[i] }
	case get, post, trailers:
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
	if s.must && s.c.excuse == "" {
		s.fault("was answered")
	}
	if n, _ := s.body(); s.got != n || s.trailer != s.hasTrailer() {
		s.fault("ended after %d of %d bytes, trailers %v", s.got, n, s.trailer)
	}
}

// gotReset checks that the server had a reason.
func (s *stream) gotReset(code http2.ErrCode) {
	if s.reset && !s.ours {
		s.fault("reset twice")
	}
	legal := s.ours || slices.Contains(s.legal, code) || s.hasty && code == http2.ErrCodeFlowControl || s.c.excuse != "" ||
		s.kind == panics && code == http2.ErrCodeInternal ||
		s.ended && code == http2.ErrCodeNo && s.kind == early ||
		code == http2.ErrCodeRefusedStream && s.c.resets // the handlers of streams that were reset still count
	if !legal {
		s.fault("RST_STREAM %v without a reason", code)
	}
	s.reset, s.theirs, s.code = true, true, code
	s.c.resets = s.c.resets || code != http2.ErrCodeRefusedStream
}
