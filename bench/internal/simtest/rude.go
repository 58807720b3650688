package simtest

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// ping sends n PINGs. All are answered, in their order; a server that takes no more of them waits until it can answer.
func (c *client) ping(n int) {
	for range n {
		c.pingNext++
		var data [8]byte
		binary.BigEndian.PutUint64(data[:], c.pingNext)
		c.pings = append(c.pings, data)
		c.fr.WritePing(false, data)
	}
}

// quick opens streams and takes them back at once.
func (c *client) quick(n int) {
	for range n {
		if s := c.request(get, 10); s != nil {
			s.takeBack()
		}
	}
}

// takeBack resets a stream.
func (s *stream) takeBack() {
	s.reset, s.ours, s.c.resets = true, true, true
	s.c.fr.WriteRSTStream(s.id, http2.ErrCodeCancel)
	s.c.p.note("client %d resets stream %d", s.c.id, s.id)
}

// stuff sends a request with a field of n bytes: beyond the limit it is answered with 431, far beyond it the
// connection ends (h2.Limits.HeaderBytesMax).
func (c *client) stuff(n int) {
	s := c.newStream(get, 5)
	if s == nil {
		return
	}
	extra := hpack.HeaderField{Name: "x-stuff", Value: strings.Repeat("a", n)}
	size, limit := uint32(0), uint32(c.p.plan.limits.HeaderBytesMax)
	for _, f := range append(s.request("GET"), extra) {
		size += f.Size()
	}
	s.send(append(s.request("GET"), extra), true)
	switch encoded := c.block.Len(); {
	case size > 4*limit || encoded > int(2*limit):
		c.excused("it sent too many fields", http2.ErrCodeEnhanceYourCalm)
		c.wantEnd = true
	case size > limit:
		s.want = "431"
	}
}

// excused notes why the server may end the connection, and with which codes.
func (c *client) excused(why string, codes ...http2.ErrCode) {
	c.excuse, c.codes = why, append(c.codes, codes...)
}

// tear lets the client's bytes end after n more of them: then it is silent, resets, ends its direction, or is silent
// and reads nothing for a while. The server must end the connection, sooner or later.
func (c *client) tear(n int) {
	if c.tube.cut != nil {
		return
	}
	c.tube.left = n/4 + 1
	c.tube.cut = func() {
		c.p.note("client %d is torn off, kind %d", c.id, n%4)
		c.excuse, c.wantEnd, c.ended = "its bytes ended", true, true
		switch n % 4 {
		case 1:
			c.leave()
		case 2:
			c.tube.peer.CloseWrite()
		case 3:
			c.deaf = c.p.now + stallMax*3/4
		}
	}
	c.open(post, 2000)
	c.ping(1)
}

const wrongKinds = 10

// wrong sends a request, or something on an open stream, for which the server must, or may, end that stream alone.
func (c *client) wrong(kind int) {
	switch kind {
	case 0: // RFC 9113 section 6.9
		if s := c.anyOpen(); s != nil {
			s.legal = append(s.legal, http2.ErrCodeProtocol)
			c.fr.WriteRawFrame(http2.FrameWindowUpdate, 0, s.id, make([]byte, 4))
		}
	case 1: // RFC 9113 section 6.9.1
		if s := c.anyOpen(); s != nil {
			s.legal = append(s.legal, http2.ErrCodeFlowControl)
			c.fr.WriteWindowUpdate(s.id, 1<<31-1)
			c.fr.WriteWindowUpdate(s.id, 1<<31-1)
			s.win.left += 1<<31 - 1
		}
	case 2, 3: // RFC 9113 section 8.1.1
		if s := c.newStream(post, 500); s != nil {
			s.legal, s.must = append(s.legal, http2.ErrCodeProtocol), true
			length := strconv.Itoa([]int{s.n + 5, s.n - 3}[kind-2])
			s.send(append(s.request("POST"), hpack.HeaderField{Name: "content-length", Value: length}), false)
			s.sendBody()
		}
	case 4: // a DATA frame far beyond the window may be refused, or taken as it is read
		if c.room < 12_000 {
			return
		}
		if s := c.newStream(post, 12_000); s != nil {
			s.legal = append(s.legal, http2.ErrCodeFlowControl)
			s.send(s.request("POST"), false)
			p := make([]byte, s.n)
			for i := range p {
				p[i] = patternAt(i)
			}
			c.fr.WriteData(s.id, true, p)
			s.room, c.room, s.sent = s.room-int64(s.n), c.room-int64(s.n), s.n+1
		}
	case 5: // RFC 9113 section 5.1: the stream may be closed by now, which is worse
		if s := c.anyOpen(); s != nil && (!s.hasBody() || s.done()) && c.room > 0 {
			c.excused("it sent DATA after END_STREAM", http2.ErrCodeStreamClosed)
			c.fr.WriteData(s.id, false, []byte("x"))
			c.room--
		}
	default:
		c.malformed(kind)
	}
}

// malformed sends a request that HTTP/2 does not allow (RFC 9113 sections 8.2, 8.3).
func (c *client) malformed(kind int) {
	s := c.newStream(get, 5)
	if s == nil {
		return
	}
	s.legal, s.must = append(s.legal, http2.ErrCodeProtocol), true
	fields := s.request("GET")
	switch kind {
	case 6:
		fields = append(fields, hpack.HeaderField{Name: "X-Upper", Value: "1"})
	case 7:
		fields = fields[1:] // no :method
	case 8:
		fields = append(fields, hpack.HeaderField{Name: "connection", Value: "close"})
	case 9:
		fields = append(fields, hpack.HeaderField{Name: ":path", Value: "/again"})
	}
	s.send(fields, true)
}

// anyOpen returns the newest stream that is open, and that the server has heard of.
func (c *client) anyOpen() *stream {
	for i := len(c.order) - 1; i >= 0; i-- {
		if s := c.order[i]; !s.over() {
			return s
		}
	}
	return nil
}

// offence is something that must end the connection (RFC 9113 sections 3.4, 4.2, 4.3, 5.1, 6).
type offence struct {
	send func(c *client)
	code http2.ErrCode
}

const badKinds = 20

func raw(t http2.FrameType, flags http2.Flags, stream uint32, payload []byte) func(*client) {
	return func(c *client) { c.fr.WriteRawFrame(t, flags, stream, payload) }
}

func setting(id http2.SettingID, v uint32) func(*client) {
	return func(c *client) { c.fr.WriteSettings(http2.Setting{ID: id, Val: v}) }
}

func offences() [badKinds]offence {
	const whole = http2.FlagHeadersEndHeaders | http2.FlagHeadersEndStream
	get := []byte{0x82, 0x86, 0x84}
	onNext := func(t http2.FrameType, flags http2.Flags, payload []byte) func(*client) {
		return func(c *client) { c.fr.WriteRawFrame(t, flags, c.next, payload) }
	}
	return [badKinds]offence{
		{raw(http2.FrameData, 0, 0, []byte("x")), http2.ErrCodeProtocol},
		{raw(http2.FramePing, 0, 0, make([]byte, 7)), http2.ErrCodeFrameSize},
		{raw(http2.FrameSettings, 0, 0, make([]byte, 5)), http2.ErrCodeFrameSize},
		{raw(http2.FrameWindowUpdate, 0, 0, make([]byte, 4)), http2.ErrCodeProtocol},
		{func(c *client) { c.fr.WriteRawFrame(http2.FrameHeaders, whole, c.next+1, get) }, http2.ErrCodeProtocol},
		{onNext(http2.FrameContinuation, http2.FlagContinuationEndHeaders, nil), http2.ErrCodeProtocol},
		{onNext(http2.FrameHeaders, whole, []byte{0x80}), http2.ErrCodeCompression},
		{onNext(http2.FrameData, 0, []byte("x")), http2.ErrCodeProtocol},
		{onNext(http2.FrameRSTStream, 0, make([]byte, 4)), http2.ErrCodeProtocol},
		{onNext(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, append(make([]byte, 4), get...)), http2.ErrCodeProtocol},
		{raw(http2.FramePing, 0, 1, make([]byte, 8)), http2.ErrCodeProtocol},
		{raw(http2.FrameSettings, http2.FlagSettingsAck, 0, make([]byte, 6)), http2.ErrCodeFrameSize},
		{raw(http2.FrameSettings, 0, 0, bytes.Repeat([]byte{0, 99, 0, 0, 0, 0}, 33)), http2.ErrCodeEnhanceYourCalm},
		{raw(http2.FrameData, 0, 1, make([]byte, 16385)), http2.ErrCodeFrameSize},
		{setting(http2.SettingInitialWindowSize, 1<<31), http2.ErrCodeFlowControl},
		{setting(http2.SettingMaxFrameSize, 1), http2.ErrCodeProtocol},
		{setting(http2.SettingEnablePush, 2), http2.ErrCodeProtocol},
		{func(c *client) { // once may just fit
			c.fr.WriteWindowUpdate(0, 1<<31-1)
			c.fr.WriteWindowUpdate(0, 1<<31-1)
			c.conn.left += 1<<31 - 1
		}, http2.ErrCodeFlowControl},
		{func(c *client) {
			c.fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndStream, c.next, get)
			for range 4 {
				c.fr.WriteContinuation(c.next, false, nil)
			}
		}, http2.ErrCodeEnhanceYourCalm},
		{func(c *client) {
			c.fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndStream, c.next, get)
			c.fr.WritePing(false, [8]byte{})
		}, http2.ErrCodeProtocol},
	}
}

// misbehave sends something that must end the connection.
func (c *client) misbehave(kind int) {
	c.p.note("client %d misbehaves, kind %d", c.id, kind)
	o := offences()[kind]
	c.excused("it misbehaved", o.code)
	c.wantEnd = true
	c.p.odd++
	o.send(c)
}
