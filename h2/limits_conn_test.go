package h2

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestRepliesMax: a peer that sends PINGs and does not read is not read either, and served again when it reads.
func TestRepliesMax(t *testing.T) {
	p := newOpenPeer(t, Limits{RepliesMax: 10, FramesTurnMax: 1000}, HandlerFunc(testHandler))
	defer p.end()
	var pings []byte
	for i := range 12 {
		pings = appendPing(pings, false, [8]byte{byte(i)})
	}
	const ping = frameHeaderLen + pingLen
	if n := p.c.feed(p.clock, pings); n != 10*ping {
		t.Fatalf("took %d PINGs, want 10", n/ping)
	}
	if !p.c.choked() || p.c.feed(p.clock, pings[10*ping:]) != 0 {
		t.Fatal("takes more than RepliesMax")
	}
	p.take(p.flush(nil))
	if n := p.c.feed(p.clock, pings[10*ping:]); n != 2*ping {
		t.Fatalf("took %d bytes after the flush", n)
	}
	p.take(p.flush(nil))
	if len(p.got) != 12 {
		t.Fatalf("%d answers", len(p.got))
	}
}

// TestWorkPerTurn: one connection gets no more of a turn than its share.
func TestWorkPerTurn(t *testing.T) {
	p := newOpenPeer(t, Limits{FramesTurnMax: 5, BytesTurnMax: 1024}, HandlerFunc(testHandler))
	defer p.end()
	frames := bytes.Repeat(appendWindowUpdate(nil, 0, 1), 8)
	const frame = frameHeaderLen + windowUpdateLen
	if n := p.c.feed(p.clock, frames); n != 5*frame {
		t.Fatalf("took %d frames, want 5", n/frame)
	}
	big := bytes.Repeat(appendFrameHeader(nil, 600, 0xee, 0, 0), 1)
	big = append(big, make([]byte, 600)...)
	big = bytes.Repeat(big, 4)
	if n := p.c.feed(p.clock, big); n != 2*609 {
		t.Fatalf("took %d bytes, want 2 frames", n)
	}
}

// TestContinuationsMax and the other header limits: the limit is served, one more ends the connection.
func TestContinuationsMax(t *testing.T) {
	for extra, want := range []string{"HEADERS 1 ...", "GOAWAY last=0 ENHANCE_YOUR_CALM"} {
		p := newOpenPeer(t, Limits{ContinuationsMax: 8}, HandlerFunc(testHandler))
		block := p.block(":method", "GET", ":scheme", "http", ":path", "/plaintext")
		p.out.Write(appendFrameHeader(nil, 0, FrameHeaders, FlagEndStream, 1))
		for range 7 + extra {
			p.out.Write(appendFrameHeader(nil, 0, FrameContinuation, 0, 1))
		}
		p.out.Write(appendFrameHeader(nil, len(block), FrameContinuation, FlagEndHeaders, 1))
		p.out.Write(block)
		p.push()
		p.want(want)
		p.end()
	}
}

// TestBombOfReferences: thousands of one-octet references cost the client its connection, not us the memory.
func TestBombOfReferences(t *testing.T) {
	for _, c := range []struct {
		fields int
		want   string
	}{{496, "HEADERS 1 :status=200..."}, {501, "HEADERS 1 END_STREAM :status=431..."}, {2001, "GOAWAY last=0 ENHANCE_YOUR_CALM"}} {
		p := newOpenPeer(t, Limits{}, HandlerFunc(testHandler))
		block := p.block(":method", "GET", ":scheme", "http", ":path", "/plaintext", "a", "b")
		block = append(block, bytes.Repeat([]byte{0x80 | 62}, c.fields-4)...)
		p.out.Write(appendHeaders(nil, 1, block, true, frameSizeMin))
		p.push()
		p.want(c.want)
		p.end()
	}
}

// TestSettingsEntriesMax: 32 entries are taken, 33 end the connection.
func TestSettingsEntriesMax(t *testing.T) {
	for extra, want := range []string{"SETTINGS ACK", "GOAWAY last=0 ENHANCE_YOUR_CALM"} {
		p := newOpenPeer(t, Limits{}, HandlerFunc(testHandler))
		n := (32 + extra) * settingLen
		p.out.Write(appendFrameHeader(nil, n, FrameSettings, 0, 0))
		p.out.Write(bytes.Repeat([]byte{0, 3, 0, 0, 0, 100}, 32+extra))
		p.push()
		p.want(want)
		p.end()
	}
}

// TestFairness: streams with much to send get the same share of every flush.
func TestFairness(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(testHandler))
	p.must(p.fr.WriteWindowUpdate(0, 1<<30))
	const streams = 6
	for i := range uint32(streams) {
		p.must(p.fr.WriteWindowUpdate(0, 1))
		p.out.Write(appendHeaders(nil, 2*i+1, p.block(":method", "GET", ":scheme", "http", ":path", "/bytes/1000000"), true, frameSizeMin))
		p.out.Write(appendWindowUpdate(nil, 2*i+1, 1<<30))
	}
	p.c.feed(p.clock, p.out.Bytes())
	p.run()
	sent := map[string]int{}
	for range 30 {
		p.take(p.flush(nil))
		for _, f := range p.got {
			if id, n, ok := strings.Cut(strings.TrimPrefix(f, "DATA "), " len="); ok {
				k, _ := strconv.Atoi(n)
				sent[id] += k
			}
		}
		p.got = nil
		least, most := 1<<30, 0
		for i := range streams {
			n := sent[strconv.Itoa(2*i+1)]
			least, most = min(least, n), max(most, n)
		}
		if most-least > quantum {
			t.Fatalf("shares differ: %v", sent)
		}
	}
	if len(sent) != streams {
		t.Fatalf("%d streams were served", len(sent))
	}
	p.settle(nil)
	p.end()
}

// TestFlushIsBounded: one flush returns about flushMax, and control frames come before all DATA.
func TestFlushIsBounded(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(testHandler))
	defer p.end()
	p.must(p.fr.WriteWindowUpdate(0, 1<<30))
	p.request(1, true, "GET", "/nothing")
	p.got = nil
	p.out.Write(appendHeaders(nil, 3, p.block(":method", "GET", ":scheme", "http", ":path", "/bytes/1000000"), true, frameSizeMin))
	p.out.Write(appendWindowUpdate(nil, 3, 1<<30))
	p.c.feed(p.clock, p.out.Bytes())
	p.run()
	p.c.feed(p.clock, appendPing(nil, false, [8]byte{}))
	out := p.c.flush(p.clock, nil)
	if len(out) > flushMax+quantum+1024 || len(out) < flushMax {
		t.Fatalf("a flush of %d bytes", len(out))
	}
	p.take(out)
	p.want("PING ACK...")
	p.want("HEADERS 3...")
	if !p.c.wantFlush() {
		t.Fatal("wantFlush is false with DATA left")
	}
}

// TestRapidResets: a client that opens and resets in a row never has more handlers running than it may.
func TestRapidResets(t *testing.T) {
	p := newOpenPeer(t, Limits{StreamsMax: 10}, HandlerFunc(func(w *Response, r *Request) {
		for r.Body.s.err == nil {
			r.Body.Read(make([]byte, 1))
		}
		// A handler that goes on although its stream is over.
		r.Body.s.task.park(sideWrite)
	}))
	for i := range uint32(100) {
		p.request(2*i+1, false, "POST", "/")
		p.out.Write(appendRSTStream(nil, 2*i+1, ErrCodeCancel))
		p.push()
		if len(p.live) > 10 {
			t.Fatalf("%d handlers run", len(p.live))
		}
	}
	if n := p.pool.metrics.Refused; n != 90 {
		t.Fatalf("%d streams refused, want 90", n)
	}
	p.end()
}

// TestIdleConnIsSmall: what an idle connection holds is its struct, its HPACK tables and a small stream table.
func TestIdleConnIsSmall(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(testHandler))
	defer p.end()
	for i := range uint32(100) {
		p.request(2*i+1, false, "POST", "/wait")
	}
	for i := range uint32(100) {
		p.data(2*i+1, true, "x")
	}
	p.advance(time.Minute)
	c := p.c
	if c.ctrl != nil || c.reader.kept != nil || len(c.streams.slots) > tableSlotsIdle || c.block.s != nil {
		t.Fatalf("an idle connection holds ctrl %d, reader %d, table %d", cap(c.ctrl), cap(c.reader.kept), len(c.streams.slots))
	}
	if p.chunks != 0 {
		t.Fatalf("%d chunks are held", p.chunks)
	}
}

func TestHistory(t *testing.T) {
	var h history
	h.open(1)
	h.close(1, stateClosedEnded)
	h.open(7)
	h.close(7, stateClosedPeerReset)
	for id, want := range map[uint32]string{1: "closed (ended) true", 3: "idle false", 5: "idle false", 7: "closed (peer reset) true", 9: "idle true", 4: "idle true"} {
		state, known := h.state(id)
		if got := fmt.Sprint(state, " ", known); got != want {
			t.Errorf("stream %d: %s, want %s", id, got, want)
		}
	}
	h.open(7 + 2*historyLen)
	if state, known := h.state(7); state != stateClosedLocalReset || !known {
		t.Error("a stream that is too old must be ignored")
	}
	if _, known := h.state(9); known {
		t.Error("stream 9 was skipped")
	}
	h.open(1<<31 - 1)
	for _, id := range []uint32{1<<31 - 3, 1<<31 - 2*historyLen + 1} {
		if _, known := h.state(id); known {
			t.Errorf("stream %d was skipped", id)
		}
	}
}

func TestStreamTable(t *testing.T) {
	var table streamTable
	model := map[uint32]*stream{}
	seed := uint32(1)
	for i := range uint32(20000) {
		seed = seed*1664525 + 1013904223
		id := seed>>20&0xff | 1 | i/5000<<9
		if s := table.get(id); s != model[id] {
			t.Fatalf("get(%d) = %v", id, s)
		}
		if s := model[id]; s != nil {
			table.remove(s)
			delete(model, id)
		} else {
			s := &stream{id: id}
			table.put(s)
			model[id] = s
		}
		if table.n != len(model) {
			t.Fatal("count")
		}
	}
	for _, s := range model {
		table.remove(s)
	}
	if table.trim(); table.n != 0 || table.slots != nil {
		t.Fatal("a large empty table is kept")
	}
}

// TestDeadlineIsLazy: a busy connection does not move its deadline for every request.
func TestDeadlineIsLazy(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(testHandler))
	defer p.end()
	p.request(1, true, "GET", "/nothing")
	was := p.c.nextDeadline()
	for i := range uint32(50) {
		p.clock += 10 * time.Millisecond
		p.request(2*i+3, true, "GET", "/nothing")
		if at := p.c.nextDeadline(); at != was {
			t.Fatalf("the deadline moved from %v to %v", was, at)
		}
	}
}
