package simtest

import (
	"golang.org/x/net/http2"

	"github.com/percore/percore/h2"
)

// watchEvery is how many rounds pass between two looks at the cores' own counts.
const watchEvery = 32

// watch holds the cores to their limits.
func (p *play) watch() {
	for _, c := range p.cores {
		s := c.Snapshot()
		if s.Buffers > buffersMax || s.BuffersLent > s.Buffers || s.BuffersLent < 0 {
			p.fault("core %d has %d buffers, %d of them lent; the limit is %d", s.Core, s.Buffers, s.BuffersLent, buffersMax)
		}
		conns := len(p.clients) + 1
		if most := conns * (p.plan.limits.StreamsMax + 1); s.Tasks > most {
			p.fault("core %d has %d tasks, %d connections can have %d", s.Core, s.Tasks, conns, most)
		}
		if most := conns * p.chunksMax(); s.ChunkBytes > most {
			p.fault("core %d holds %d bytes of chunks, %d connections can need %d", s.Core, s.ChunkBytes, conns, most)
		}
	}
}

// chunksMax is what one connection may hold: what waits to be sent and one flush more, a record or a frame that is
// not complete in both directions, and the bodies that its windows allow, in chunks of 4 KiB.
func (p *play) chunksMax() int {
	l := &p.plan.limits
	const flush, record, chunk = 64 << 10, 64 << 10, 4 << 10
	bodies := min(l.ConnWindowMax, l.StreamsMax*l.StreamWindowMax) + (l.StreamsMax+1)*chunk
	return l.OutBufferMax + flush + 2*record + bodies
}

// account compares the server's totals with what was seen here.
func (p *play) account(m *h2.Metrics) {
	if m.ConnsOpen != 0 || m.StreamsOpen != 0 {
		p.fault("the server's metrics say %d connections and %d streams are open", m.ConnsOpen, m.StreamsOpen)
	}
	var seen [http2.ErrCodeHTTP11Required + 1]uint64
	streams, resets, panicked := uint64(0), uint64(0), uint64(0)
	for _, c := range p.clients {
		for _, s := range c.order {
			streams++
			if s.ours {
				resets++
			}
			if s.theirs {
				seen[s.code]++
			}
			if s.kind == panics || s.kind == spoil {
				panicked++
			}
		}
	}
	if m.Requests != p.handled || m.Requests > m.Streams || m.Streams+m.Refused > streams+uint64(p.odd) {
		p.fault("the server's metrics say %d streams, %d refused and %d requests; %d handlers ran for %d streams",
			m.Streams, m.Refused, m.Requests, p.handled, streams)
	}
	if n := m.ResetsIn.Total(); n > resets || m.HandlerPanics > panicked {
		p.fault("the server's metrics say %d resets came and %d handlers panicked, want at most %d and %d", n, m.HandlerPanics, resets, panicked)
	}
	for code, n := range seen {
		if m.ResetsOut[code] < n {
			p.fault("the server's metrics say %d resets with %v went out, %d arrived", m.ResetsOut[code], http2.ErrCode(code), n)
		}
	}
}
