package simtest

import (
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// do lets the client do one step of the plan.
func (c *client) do(s step) {
	if c.over || c.ended {
		return
	}
	switch s.act {
	case get, post, lines, sleep, panics, early:
		c.open(s.act, s.n)
	case credit:
		c.credit()
	case settings:
		if len(c.pending) < 4 {
			c.widen(s.n)
		}
	case ping:
		c.fr.WritePing(false, [8]byte{byte(s.n)})
	case priority:
		c.fr.WritePriority(c.next, http2.PriorityParam{StreamDep: 99_999, Weight: 9})
	case reset:
		c.resetOne(s.n)
	case bad:
		c.misbehave(s.n)
	case unknown:
		c.misbehave(1)
		c.excuse = ""
	case gone:
		c.p.note("client %d resets its connection", c.id)
		c.leave()
	case half:
		c.half()
	}
	for _, st := range c.order {
		st.sendBody()
	}
}

// widen sends a new size for the streams' windows, which may be a smaller one.
func (c *client) widen(to int) {
	c.pending = append(c.pending, int64(to))
	c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(to)})
}

// resetOne takes one open stream back.
func (c *client) resetOne(n int) {
	for i := range c.order {
		s := c.order[(i+n)%len(c.order)]
		if !s.over() {
			s.reset, s.ours, c.resets = true, true, true
			c.fr.WriteRSTStream(s.id, http2.ErrCodeCancel)
			c.p.note("client %d resets stream %d", c.id, s.id)
			return
		}
	}
}

// half ends our direction once all requests are complete; the server may end the connection after its answers.
func (c *client) half() {
	for _, s := range c.order {
		if s.hasBody() && !s.done() && !s.over() {
			return
		}
	}
	if c.shake != nil || c.out.Len() > 0 || len(c.tube.out) > 0 || len(c.order) == 0 {
		return
	}
	c.p.note("client %d ends its direction", c.id)
	c.excuse = "it ended its direction" // no more credit will come
	c.ended = true
	c.tube.peer.CloseWrite()
}

const badKinds = 8

// misbehave sends something that must end the connection (RFC 9113 sections 4.2, 5.1, 6).
func (c *client) misbehave(kind int) {
	c.p.note("client %d misbehaves, kind %d", c.id, kind)
	c.excuse, c.wantEnd = "it misbehaved", true
	switch kind {
	case 0:
		c.fr.WriteRawFrame(http2.FrameData, 0, 0, []byte("x"))
	case 1:
		c.fr.WriteRawFrame(http2.FramePing, 0, 0, make([]byte, 7))
	case 2:
		c.fr.WriteRawFrame(http2.FrameSettings, 0, 0, make([]byte, 5))
	case 3:
		c.fr.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, make([]byte, 4))
	case 4:
		c.fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, c.next+1, []byte{0x82, 0x86, 0x84})
	case 5:
		c.fr.WriteRawFrame(http2.FrameContinuation, http2.FlagContinuationEndHeaders, c.next, nil)
	case 6:
		c.fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, c.next, []byte{0x80})
	case 7:
		c.block.Reset()
		c.enc.WriteField(hpack.HeaderField{Name: "x", Value: "y"})
		c.fr.WriteRawFrame(http2.FrameData, 0, c.next, c.block.Bytes())
	}
}

// goOn sends what is still to be sent.
func (c *client) goOn() {
	if c.over {
		return
	}
	for _, s := range c.order {
		s.sendBody()
	}
	if !c.ended {
		c.credit()
	}
}

// done reports whether nothing more is to come.
func (c *client) done() bool {
	if c.over {
		return true
	}
	if c.wantEnd {
		return false
	}
	for _, s := range c.order {
		if !s.over() && (c.excuse == "" || !c.goaway || s.id <= c.last) {
			return false
		}
	}
	return true
}
