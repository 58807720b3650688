package h2

import (
	"runtime"
	"strings"
	"testing"
	"weak"

	"golang.org/x/net/http2"
)

// TestIdleConnKeepsNoBlock: a large field block that came in pieces leaves nothing behind once it is decoded, neither
// its octets nor the value of its last field. Else 128 KiB of a peer would hold twice as much of ours while it idles.
func TestIdleConnKeepsNoBlock(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(func(*Response, *Request) {}))
	defer p.end()
	block := p.block(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "big", strings.Repeat("~", 60<<10))
	const piece = 12 << 10
	p.must(p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:piece], EndStream: true}))
	p.push()
	var carry weak.Pointer[byte]
	for block = block[piece:]; len(block) > 0; {
		if d := &p.c.dec; len(d.carry) > 0 {
			carry = weak.Make(&d.carry[0])
		}
		n := min(piece, len(block))
		p.must(p.fr.WriteContinuation(1, n == len(block), block[:n]))
		block = block[n:]
		p.push()
	}
	p.want("HEADERS 1 END_STREAM :status=200...")
	if d := &p.c.dec; d.latest != "" {
		t.Errorf("a value of %d octets is kept", len(d.latest))
	}
	runtime.GC()
	if carry.Value() != nil {
		t.Error("the block's octets are kept")
	}
}
