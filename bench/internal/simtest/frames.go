package simtest

import (
	"slices"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// readFrame reads one frame if it is there as a whole.
func (c *client) readFrame() bool {
	b := c.in.Bytes()
	if len(b) < 9 || len(b) < 9+(int(b[0])<<16|int(b[1])<<8|int(b[2])) {
		return false
	}
	f, err := c.fr.ReadFrame()
	if err != nil {
		c.p.fault("client %d: a frame that x/net refuses: %v", c.id, err)
		c.over = true
		return false
	}
	h := f.Header()
	c.p.note("client %d gets %v stream %d length %d flags %x", c.id, h.Type, h.StreamID, h.Length, h.Flags)
	if c.frame != nil && h.Type != http2.FrameContinuation {
		c.p.fault("client %d: %v inside a field block", c.id, h.Type)
	}
	c.gotFrame(f)
	return true
}

func (c *client) gotFrame(f http2.Frame) {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		c.gotSettings(f)
	case *http2.PingFrame:
		c.gotPing(f)
	case *http2.WindowUpdateFrame:
		c.gotCredit(f)
	case *http2.DataFrame:
		c.gotData(f)
	case *http2.HeadersFrame:
		c.frame = append([]byte{}, f.HeaderBlockFragment()...)
		c.gotBlock(f.StreamID, f.HeadersEnded(), f.StreamEnded())
	case *http2.ContinuationFrame:
		c.frame = append(c.frame, f.HeaderBlockFragment()...)
		c.gotBlock(f.StreamID, f.HeadersEnded(), c.streams[f.StreamID] != nil && c.streams[f.StreamID].endsWithBlock)
	case *http2.RSTStreamFrame:
		if s := c.stream(f.StreamID); s != nil {
			s.gotReset(f.ErrCode)
		}
	case *http2.GoAwayFrame:
		c.goaway, c.last, c.code = true, f.LastStreamID, f.ErrCode
		if f.ErrCode != http2.ErrCodeNo && c.excuse == "" {
			c.p.fault("client %d: GOAWAY %v without a reason: %s", c.id, f.ErrCode, f.DebugData())
		} else if f.ErrCode != http2.ErrCodeNo && !slices.Contains(c.codes, f.ErrCode) {
			c.p.fault("client %d: GOAWAY %v (%s), but %s: want one of %v", c.id, f.ErrCode, f.DebugData(), c.excuse, c.codes)
		}
	default:
		c.p.fault("client %d: unexpected %v", c.id, f.Header())
	}
}

// stream returns the stream of a frame; one that was never opened is a fault.
func (c *client) stream(id uint32) *stream {
	s := c.streams[id]
	if s == nil {
		c.p.fault("client %d: a frame of stream %d, which was never opened", c.id, id)
	}
	return s
}

func (c *client) gotSettings(f *http2.SettingsFrame) {
	if f.IsAck() {
		if len(c.pending) == 0 {
			c.p.fault("client %d: an acknowledgment too many", c.id)
			return
		}
		if ch := c.pending[0]; ch.window >= 0 {
			c.applyInitial(ch.window)
		} else {
			c.applyTable(int(ch.table))
		}
		c.pending = c.pending[1:]
		return
	}
	c.greeted = true
	f.ForeachSetting(func(s http2.Setting) error {
		switch s.ID {
		case http2.SettingInitialWindowSize:
			for _, st := range c.order {
				st.room += int64(s.Val) - c.theirs
			}
			c.theirs = int64(s.Val)
		case http2.SettingMaxConcurrentStreams:
			c.most = int(s.Val)
		}
		return nil
	})
	c.fr.WriteSettingsAck()
}

// applyInitial moves the streams' windows. Until the acknowledgment the server may use the larger of both values
// (RFC 9113 section 6.9.2), so a raise counts from when it was sent.
func (c *client) applyInitial(to int64) {
	for _, s := range c.order {
		s.win.left += to - c.initial
	}
	c.initial = to
}

// applyTable: the server's next field block must not use more than this (RFC 7541 section 4.2).
func (c *client) applyTable(to int) {
	c.dec.SetAllowedMaxDynamicTableSize(uint32(to))
	to = min(to, 4096)
	c.due = c.due || to < c.tables
	c.tables = to
}

func (c *client) gotPing(f *http2.PingFrame) {
	switch {
	case !f.IsAck():
		c.fr.WritePing(true, f.Data)
	case len(c.pings) == 0 || c.pings[0] != f.Data:
		c.p.fault("client %d: an answer to no PING, or out of order", c.id)
	default:
		c.pings = c.pings[1:]
	}
}

func (c *client) gotCredit(f *http2.WindowUpdateFrame) {
	if f.Increment == 0 {
		c.p.fault("client %d: WINDOW_UPDATE of 0", c.id)
	}
	if f.StreamID == 0 {
		c.room += int64(f.Increment)
	} else if s := c.stream(f.StreamID); s != nil {
		s.room += int64(f.Increment)
		if s.room > int64(c.p.plan.limits.StreamWindowMax) && c.greeted {
			s.fault("a window of %d, more than its limit", s.room)
		}
	}
	if c.room > int64(c.p.plan.limits.ConnWindowMax) {
		c.p.fault("client %d: a connection window of %d, more than its limit", c.id, c.room)
	}
}

// slack is what sent and not yet acknowledged SETTINGS may add to a stream's window.
func (c *client) slack() (most int64) {
	for _, ch := range c.pending {
		most = max(most, ch.window-c.initial)
	}
	return most
}

func (c *client) gotData(f *http2.DataFrame) {
	n := int64(f.Length)
	if n > 16384 {
		c.p.fault("client %d: a frame of %d bytes", c.id, n)
	}
	s := c.stream(f.StreamID)
	if s == nil {
		return
	}
	c.conn.left -= n
	s.win.left -= n
	if c.conn.left < 0 {
		c.p.fault("client %d: the connection's window is exceeded by %d", c.id, -c.conn.left)
	}
	if n > 0 && s.win.left < 0 && s.win.left+c.slack() < 0 {
		c.p.fault("client %d: the window of stream %d is exceeded by %d", c.id, s.id, -s.win.left)
	}
	c.conn.unread += n
	s.win.unread += n
	s.gotBody(f.Data(), f.StreamEnded())
	if !c.lazy {
		c.credit()
	}
}

// credit gives back what was read.
func (c *client) credit() {
	if c.conn.unread > 0 {
		c.fr.WriteWindowUpdate(0, uint32(c.conn.unread))
		c.conn.left, c.conn.unread = c.conn.left+c.conn.unread, 0
	}
	for _, s := range c.order {
		s.credit()
	}
}

func (c *client) gotBlock(id uint32, whole, ended bool) {
	s := c.stream(id)
	if s == nil {
		c.frame = nil
		return
	}
	s.endsWithBlock = ended
	if !whole {
		return
	}
	if c.due && len(c.frame) > 0 && c.frame[0]&0xe0 != 0x20 {
		c.p.fault("client %d: a field block of stream %d that does not begin with the smaller table size", c.id, id)
	}
	c.due = false
	fields, err := c.dec.DecodeFull(c.frame)
	c.frame = nil
	if err != nil {
		c.p.fault("client %d: field block of stream %d: %v", c.id, id, err)
		return
	}
	s.gotFields(fields, ended)
}

// writeBlock sends a field block, in one frame or in several.
func (c *client) writeBlock(id uint32, end bool, fields ...hpack.HeaderField) {
	c.block.Reset()
	for _, f := range fields {
		c.enc.WriteField(f)
	}
	p := c.block.Bytes()
	first := p
	if c.split && len(p) > 3 {
		first = p[:len(p)/3]
	}
	h := http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: end, EndHeaders: len(first) == len(p)}
	if c.padded {
		h.PadLength = 9
	}
	c.fr.WriteHeaders(h)
	if rest := p[len(first):]; len(rest) > 0 {
		half := len(rest) / 2
		c.fr.WriteContinuation(id, false, rest[:half])
		c.fr.WriteContinuation(id, true, rest[half:])
	}
}
