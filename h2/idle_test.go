package h2

import (
	"bytes"
	"runtime"
	"testing"
)

// TestIdleMemory: a connection that has served a request and is quiet holds at most 3 KiB here; the budget of 4 KiB
// for the whole connection leaves 1 KiB to the layers below.
func TestIdleMemory(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(func(w *Response, r *Request) {
		w.Set("content-type", "text/plain")
		w.WriteString("Hello, World!")
	}))
	h := p.fakeHost
	h.inline = true
	block := p.block(":method", "GET", ":scheme", "http", ":path", "/plaintext", ":authority", "localhost:8080", "user-agent", "h2load nghttp2/1.52.0")
	wire := append([]byte(Preface), appendSettings(nil, new(initialSettings()))...)
	wire = appendHeaders(appendSettingsAck(wire), 1, block, true, frameSizeMin)
	const conns = 2000
	all := make([]*conn, 0, conns)
	out := make([]byte, 0, 4096)
	before := heap()
	for range conns {
		c := newConn(h.c.cfg, h, h.pool, h.clock)
		if c.feed(h.clock, wire) != len(wire) {
			t.Fatal("feed left bytes")
		}
		h.run()
		if out = c.flush(h.clock, out[:0]); !bytes.HasSuffix(out, []byte("Hello, World!")) {
			t.Fatalf("%q", out)
		}
		all = append(all, c)
	}
	each := (heap() - before) / conns
	t.Logf("%d bytes a connection", each)
	if each > 3<<10 && !raceEnabled {
		t.Errorf("an idle connection holds %d bytes, budget 3072", each)
	}
	runtime.KeepAlive(all)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
