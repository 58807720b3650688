package h2

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// chaos is a peer that sends any frames in any order, mostly well-formed.
type chaos struct {
	*testPeer
	rnd  *rand.Rand
	next uint32
	over map[uint32]bool // streams that the peer has ended
}

// TestChaos plays random frames, handlers and times. The fake host checks the accounts after every step, and that
// nothing is left at the end.
func TestChaos(t *testing.T) {
	for seed := range uint64(300) {
		playChaos(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func playChaos(t *testing.T, seed uint64) {
	defer func() {
		if v := recover(); v != nil {
			t.Errorf("seed %d: %v", seed, v)
			panic(v)
		}
	}()
	playWith(t, rand.New(rand.NewPCG(seed, 7)))
}

// playWith plays one connection's life; rnd decides everything.
func playWith(t *testing.T, rnd *rand.Rand) {
	limits := Limits{StreamsMax: 1 + rnd.IntN(6), StreamWindowMax: 1 + rnd.IntN(60000), FramesTurnMax: 1 + rnd.IntN(8),
		ContinuationsMax: 3, HeaderBytesMax: 1024 + rnd.IntN(4000), RepliesMax: 1 + rnd.IntN(5)}
	c := &chaos{rnd: rnd, next: 3, over: map[uint32]bool{1: true}}
	c.testPeer = newOpenPeer(t, limits, HandlerFunc(func(w *Response, r *Request) { c.handle(w, r) }))
	c.fr.AllowIllegalWrites = true
	c.request(1, true, "GET", "/")
	for range 60 {
		if c.c.state == connClosed {
			break
		}
		c.step()
	}
	if rnd.IntN(2) == 0 {
		c.c.recvEOF()
		c.settle(nil)
	}
	c.end()
}

// FuzzChaos is TestChaos with the fuzzer's bytes as dice: coverage leads it to rare orders.
func FuzzChaos(f *testing.F) {
	for seed := range byte(8) {
		f.Add(bytes.Repeat([]byte{seed, 37 * seed, 91, 5 * seed}, 60))
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		playWith(t, rand.New(&byteSource{choices: choices, then: rand.NewPCG(1, 7)}))
	})
}

// byteSource makes one number of each byte, and goes on with a generator when there are no more.
type byteSource struct {
	choices []byte
	then    rand.Source
}

func (s *byteSource) Uint64() uint64 {
	if len(s.choices) == 0 {
		return s.then.Uint64()
	}
	b := s.choices[0]
	s.choices = s.choices[1:]
	return uint64(b) * 0x0101010101010101
}

func (c *chaos) handle(w *Response, r *Request) {
	for range c.rnd.IntN(6) {
		switch c.rnd.IntN(14) {
		case 0:
			_, _ = io.Copy(io.Discard, r.Body)
		case 1, 2:
			_, _ = r.Body.Read(make([]byte, c.rnd.IntN(9000)))
		case 3, 4:
			_, _ = w.Write(make([]byte, c.rnd.IntN(300)))
		case 5:
			_, _ = w.Write(make([]byte, c.rnd.IntN(70000)))
		case 6:
			_ = w.Flush()
		case 7:
			_, _ = io.Copy(w, r.Body)
		case 8:
			_ = w.Trailer("a", "b")
		case 9:
			_ = w.SetContentLength(int64(c.rnd.IntN(1000)))
			w.WriteHeader([]int{200, 204, 304, 404}[c.rnd.IntN(4)])
		case 10:
			_ = w.Set("x", strings.Repeat("v", c.rnd.IntN(40000)))
		case 11:
			_ = w.Informational(103)
		case 12:
			r.Context()
		case 13:
			switch c.rnd.IntN(4) {
			case 0:
				panic(errors.New("test"))
			case 1:
				runtime.Goexit()
			}
		}
	}
}

func (c *chaos) id() uint32 {
	if c.rnd.IntN(300) == 0 {
		return uint32(c.rnd.IntN(int(c.next) + 6))
	}
	back := uint32(2 * (1 + c.rnd.IntN(8)))
	if back >= c.next {
		return 1
	}
	return c.next - back
}

// open returns a stream that the peer may still send on, or 0.
func (c *chaos) open() uint32 {
	if id := c.id(); !c.over[id] || c.rnd.IntN(200) == 0 {
		return id
	}
	return 0
}

func (c *chaos) step() {
	for range 1 + c.rnd.IntN(5) {
		c.frame()
	}
	out := append([]byte(nil), c.out.Bytes()...)
	c.out.Reset()
	for len(out) > 0 && c.c.state != connClosed {
		n := 1 + c.rnd.IntN(len(out))
		k := c.c.feed(c.clock, out[:n])
		out = out[k:]
		if c.rnd.IntN(2) == 0 || k == 0 {
			c.run()
			c.take(c.flush(nil))
		}
		c.check()
	}
	if c.rnd.IntN(3) > 0 {
		c.take(c.settle(nil))
	}
	switch c.rnd.IntN(40) {
	case 0:
		c.take(c.advance(time.Duration(c.rnd.IntN(200)) * time.Second))
	case 1:
		c.c.goAway(c.clock)
	}
	c.check()
}

func (c *chaos) frame() {
	r := c.rnd
	pad := []byte(nil)
	if r.IntN(3) == 0 {
		pad = make([]byte, r.IntN(200))
	}
	switch r.IntN(16) {
	case 0, 1, 2, 3:
		c.message()
	case 4, 5, 6, 7, 8:
		if id, end := c.open(), r.IntN(8) == 0; id != 0 {
			_ = c.fr.WriteDataPadded(id, end, make([]byte, r.IntN(16000)>>r.IntN(12)), pad)
			c.over[id] = end
		}
	case 9:
		id := c.id()
		_ = c.fr.WriteRSTStream(id, http2.ErrCode(r.IntN(14)))
		c.over[id] = true
	case 10:
		_ = c.fr.WriteWindowUpdate(c.id(), 1+uint32(r.IntN(100000)))
	case 11:
		_ = c.fr.WriteWindowUpdate(0, 1+uint32(r.IntN(100000)))
	case 12:
		_ = c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(r.IntN(70000))},
			http2.Setting{ID: http2.SettingMaxFrameSize, Val: 16384 + uint32(r.IntN(3000))})
	case 13:
		_ = c.fr.WritePing(r.IntN(2) == 0, drainPing)
	case 14:
		_ = c.fr.WritePriority(c.id(), http2.PriorityParam{StreamDep: 99999})
	case 15:
		if id := c.open(); id != 0 {
			c.over[id] = r.IntN(4) > 0
			_ = c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block("t", "u"), EndStream: c.over[id], EndHeaders: true})
		}
	}
}

func (c *chaos) message() {
	r := c.rnd
	fields := []string{":method", []string{"GET", "POST", "HEAD"}[r.IntN(3)], ":scheme", "http", ":path", "/", ":authority", "a"}
	switch r.IntN(8) {
	case 0:
		fields = append(fields, "content-length", []string{"0", "10", "20000"}[r.IntN(3)])
	case 1:
		fields = append(fields, "expect", "100-continue")
	case 2:
		fields = append(fields, "x", strings.Repeat("~", r.IntN(6000)>>r.IntN(6)))
	case 3:
		fields = append(fields, "Bad", "x")
	}
	block := c.block(fields...)
	end := r.IntN(2) == 0
	cut := len(block)
	if r.IntN(3) == 0 {
		cut = r.IntN(len(block))
	}
	_ = c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: c.next, BlockFragment: block[:cut], EndStream: end, EndHeaders: cut == len(block)})
	if cut < len(block) {
		_ = c.fr.WriteContinuation(c.next, true, block[cut:])
	}
	c.over[c.next] = end
	c.next += 2
	if r.IntN(200) == 0 {
		c.next += 4
	}
}
