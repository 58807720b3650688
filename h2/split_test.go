package h2

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
)

// dialogue returns the bytes of a client that uses every kind of frame.
func dialogue(t testing.TB) []byte {
	p := newTestPeer(t, Limits{}, HandlerFunc(testHandler))
	p.out.WriteString(Preface)
	p.must(p.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 20}))
	p.must(p.fr.WriteSettingsAck())
	head := func(id uint32, end bool, method, path string, more ...string) {
		block := p.block(append([]string{":method", method, ":scheme", "http", ":path", path}, more...)...)
		p.must(p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:3], EndStream: end, PadLength: 3,
			Priority: http2.PriorityParam{Weight: 7}}))
		p.must(p.fr.WriteContinuation(id, false, block[3:5]))
		p.must(p.fr.WriteContinuation(id, true, block[5:]))
	}
	head(1, true, "GET", "/plaintext")
	head(3, false, "POST", "/echo", "x-first", "one")
	p.must(p.fr.WriteData(3, false, []byte("some of the body")))
	p.must(p.fr.WritePing(false, [8]byte{1, 2, 3}))
	p.must(p.fr.WriteDataPadded(3, false, []byte("more"), make([]byte, 20)))
	head(5, true, "GET", "/bytes/100")
	p.must(p.fr.WriteWindowUpdate(5, 50))
	p.must(p.fr.WritePriority(9, http2.PriorityParam{StreamDep: 1}))
	p.must(p.fr.WriteData(3, true, nil))
	head(7, false, "POST", "/wait")
	p.must(p.fr.WriteRSTStream(7, http2.ErrCodeCancel))
	p.must(p.fr.WriteRawFrame(0xfa, 0, 3, []byte("unknown")))
	p.must(p.fr.WriteWindowUpdate(3, 1000))
	p.must(p.fr.WriteWindowUpdate(5, 1000))
	head(9, true, "GET", "/fields", "x-first", "one")
	return bytes.Clone(p.out.Bytes())
}

// TestSplitAtEveryByte: however the client's bytes are cut on their way, each stream's answer is the same.
func TestSplitAtEveryByte(t *testing.T) {
	wire := dialogue(t)
	whole := newTestPeer(t, Limits{}, HandlerFunc(testHandler))
	whole.take(whole.send(wire))
	want := whole.body
	if want[1] != "Hello, World!" || want[3] != "some of the bodymore" || want[9] != "x-first=one;" || len(want[5]) != 100 {
		t.Fatalf("whole: %v", want)
	}
	whole.end()
	for cut := 1; cut < len(wire); cut++ {
		p := newTestPeer(t, Limits{}, HandlerFunc(testHandler))
		out := p.send(wire[:cut])
		p.take(append(out, p.send(wire[cut:])...))
		compare(t, cut, p.body, want)
		p.end()
	}
	p := newTestPeer(t, Limits{}, HandlerFunc(testHandler))
	var out []byte
	for i := range wire {
		out = append(out, p.send(wire[i:i+1])...)
	}
	p.take(out)
	compare(t, -1, p.body, want)
	p.end()
}

func compare(t *testing.T, cut int, got, want map[uint32]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Fatalf("cut at %d: stream %d: %q, want %q", cut, k, got[k], v)
		}
	}
}

// FuzzConn feeds arbitrary bytes in arbitrary cuts and time steps; host_test.go checks the invariants after every
// turn, and that nothing is left behind.
func FuzzConn(f *testing.F) {
	wire := dialogue(f)
	f.Add(wire, uint8(1))
	f.Add(wire, uint8(7))
	f.Add(wire[:len(wire)/2], uint8(200))
	f.Add([]byte(Preface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x04\x01\x05\x00\x00\x00\x01\x82\x84\x86\x41"), uint8(3))
	f.Add([]byte(Preface+"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x7f\xff\xff\xff\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff"), uint8(9))
	f.Add([]byte("GET / HTTP/1.1\r\n"), uint8(3))
	f.Fuzz(func(t *testing.T, wire []byte, step uint8) {
		h := newFakeHost(t, Limits{StreamsMax: 4, StreamWindowMax: 300}, HandlerFunc(testHandler))
		for i := 0; len(wire) > 0; i++ {
			n := min(len(wire), 1+int(step)*(i%3))
			h.send(wire[:n])
			wire = wire[n:]
			if i%5 == 4 {
				h.advance(timeStep)
			}
		}
		h.c.goAway(h.clock)
		h.settle(nil)
		h.end()
	})
}

const timeStep = 700_000_000 // ns
