package h2

import (
	"io"
	"strings"
	"testing"
)

// TestSlowHandlersLeaveWindow: handlers that do not read hold more than half of the connection's window. What is left
// must still come back as others read, or their uploads would stand still for ever.
func TestSlowHandlersLeaveWindow(t *testing.T) {
	const slow, chunk, rounds = 3, 16 << 10, 64
	limits := Limits{StreamWindowMax: 256 << 10, ConnWindowMax: 1 << 20}
	read := 0
	p := newOpenPeer(t, limits, HandlerFunc(func(w *Response, r *Request) {
		if r.Path == "/slow" {
			_ = w.s.park(sideWrite) // it never reads
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		read += int(n)
	}))
	defer p.end()
	data := strings.Repeat("x", chunk)
	id := uint32(1)
	for range slow {
		p.request(id, false, "POST", "/slow")
		for range limits.StreamWindowMax / chunk {
			p.data(id, false, data)
		}
		id += 2
	}
	p.request(id, false, "POST", "/fast")
	for i := range rounds {
		if int(p.c.in.avail) < chunk {
			t.Fatalf("after %d octets the peer may send only %d: %+v", i*chunk, p.c.in.avail, p.c.in)
		}
		p.data(id, i == rounds-1, data)
	}
	if read != rounds*chunk {
		t.Fatalf("the handler read %d octets of %d", read, rounds*chunk)
	}
}
