package simtest

import (
	"time"

	"golang.org/x/net/http2"
)

// clientsMax bounds the clients of a play.
const clientsMax = 12

// do lets the client do one step of the plan.
func (c *client) do(s step) {
	if s.act == again {
		if !c.p.shut && len(c.p.clients) < clientsMax {
			c.p.connect(c.clientPlan)
		}
		return
	}
	if c.over || c.ended || c.stranger {
		return
	}
	switch s.act {
	case get, post, lines, sleep, panics, early, trailers, fields, spoil:
		c.open(s.act, s.n)
	case credit:
		c.credit()
	case settings:
		if len(c.pending) < 4 {
			c.widen(s.n)
		}
	case table:
		if len(c.pending) < 4 {
			c.pending = append(c.pending, change{-1, int64(s.n)})
			c.fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: uint32(s.n)})
		}
	case ping:
		c.ping(s.n)
	case priority:
		c.fr.WritePriority(c.next, http2.PriorityParam{StreamDep: 99_999, Weight: 9})
	case reset:
		c.resetOne(s.n)
	case bad:
		c.misbehave(s.n)
	case stuffed:
		c.stuff(s.n)
	case crowd:
		for range s.n {
			c.request(get, 10)
		}
	case quick:
		c.quick(s.n)
	case wrong:
		c.wrong(s.n)
	case deaf:
		c.deaf = max(c.deaf, c.p.now+time.Duration(s.n)*time.Millisecond)
	case torn:
		c.tear(s.n)
	case farewell:
		c.fr.WriteGoAway(0, http2.ErrCodeNo, nil)
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
	c.pending = append(c.pending, change{int64(to), -1})
	c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(to)})
}

// resetOne takes one open stream back.
func (c *client) resetOne(n int) {
	for i := range c.order {
		s := c.order[(i+n)%len(c.order)]
		if !s.over() {
			s.takeBack()
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

// goOn sends what is still to be sent.
func (c *client) goOn() {
	if c.over || c.stranger {
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
	if c.wantEnd || len(c.pings) > 0 && c.excuse == "" {
		return false
	}
	for _, s := range c.order {
		if !s.over() && (c.excuse == "" || !c.goaway || s.id <= c.last) {
			return false
		}
	}
	return true
}
