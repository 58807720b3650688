package coretls

import (
	"crypto/tls"
	"runtime"
	"testing"
)

// The idle budget of a TLS connection is 16 KiB of user bytes, of which this is
// crypto/tls's and the engine's part: served once, no chunk held, two collections.
func TestIdleMemory(t *testing.T) {
	const conns, budget = 200, 12 << 10
	server, client := serverTLS(tls.VersionTLS13), clientTLS()
	var idle []*engine
	before := heap()
	for range conns {
		p, err := shake(t, false, server, client)
		if err != nil {
			t.Fatal(err)
		}
		p.peer.Write(make([]byte, 300))
		if _, err := p.feed(p.wire()); err != nil {
			t.Fatal(err)
		}
		if _, err := p.codec.seal(nil, make([]byte, 300)); err != nil {
			t.Fatal(err)
		}
		if p.mem.out != 0 {
			t.Fatalf("an idle connection holds %d chunks", p.mem.out)
		}
		p.codec.shim.mem, p.codec.shim.addrs = nil, nil
		e := &engine{codec: *p.codec}
		// The tls.Conn keeps the old codec's shim; both fit the budget.
		idle = append(idle, e)
	}
	per := (heap() - before) / conns
	t.Logf("%d bytes an idle connection", per)
	if per > budget {
		t.Errorf("%d bytes an idle connection, want at most %d", per, budget)
	}
	runtime.KeepAlive(idle)
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
