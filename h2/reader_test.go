package h2

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// wireCollector feeds a frameReader and writes down what comes out, one line a frame. Every chunk is scribbled over
// as soon as it was given, so that a frame that aliases more than it may is seen.
type wireCollector struct {
	r     frameReader
	live  int // buffers taken and not given back
	lines []string
	data  []byte // of the DATA frame under way
	flow  int
	err   error
}

func newWireCollector() *wireCollector {
	w := &wireCollector{}
	w.r.init(frameSizeMin,
		func(n int) []byte { w.live++; return make([]byte, n) },
		func(p []byte) {
			w.live--
			for i := range p {
				p[i] = 0xdb
			}
		})
	return w
}

func (w *wireCollector) feed(t *testing.T, chunk []byte) {
	p := bytes.Clone(chunk)
	for rest := p; w.err == nil; {
		f, n, ok, err := w.r.next(rest)
		if n < 0 || n > len(rest) {
			t.Fatalf("next took %d of %d", n, len(rest))
		}
		rest = rest[n:]
		if w.err = err; err != nil {
			break
		}
		if !ok {
			if len(rest) > 0 {
				t.Fatalf("no frame, and %d octets are not taken", len(rest))
			}
			break
		}
		w.note(t, &f)
	}
	if w.r.phase == readHeader && w.live != 0 {
		t.Fatalf("%d buffers held at a frame boundary", w.live)
	}
	for i := range p {
		p[i] = 0xee
	}
}

func (w *wireCollector) note(t *testing.T, f *frame) {
	if f.h.Type != FrameData {
		w.lines = append(w.lines, loadText(f))
		return
	}
	if f.dataStart != (w.data == nil) {
		t.Fatalf("dataStart = %v after %d octets", f.dataStart, w.flow)
	}
	if w.data == nil {
		w.data = []byte{}
	}
	w.data = append(w.data, f.payload...)
	w.flow += f.flow
	if f.dataEnd {
		if w.flow != int(f.h.Length) {
			t.Fatalf("%d octets of flow control in a DATA frame of %d", w.flow, f.h.Length)
		}
		w.lines = append(w.lines, fmt.Sprintf("DATA %d %x %x", f.h.StreamID, uint8(f.h.Flags), w.data))
		w.data, w.flow = nil, 0
	}
}

// loadText loads a frame by its load function; "error" stands before a refusal.
func loadText(f *frame) string {
	h := f.h
	switch h.Type {
	case FrameHeaders:
		block, err := loadHeaders(h, f.payload)
		return orError(err, "HEADERS %d %x %x", h.StreamID, uint8(h.Flags), block)
	case FrameContinuation:
		return fmt.Sprintf("CONTINUATION %d %x %x", h.StreamID, uint8(h.Flags), f.payload)
	case FramePriority:
		return orError(loadPriority(h, f.payload), "PRIORITY %d", h.StreamID)
	case FrameRSTStream:
		code, err := loadRSTStream(h, f.payload)
		return orError(err, "RST_STREAM %d %x", h.StreamID, uint32(code))
	case FrameSettings:
		ack, err := loadSettings(h, f.payload)
		return orError(err, "SETTINGS %v %x", ack, f.payload)
	case FramePing:
		data, err := loadPing(h, f.payload)
		return orError(err, "PING %x %x", uint8(h.Flags), data)
	case FrameGoAway:
		g, err := loadGoAway(h, f.payload)
		return orError(err, "GOAWAY %d %x %x", g.lastStreamID, uint32(g.code), g.debug)
	case FrameWindowUpdate:
		n, err := loadWindowUpdate(h, f.payload)
		return orError(err, "WINDOW_UPDATE %d %d", h.StreamID, n)
	}
	return fmt.Sprintf("%x %d %x", uint8(h.Type), h.StreamID, f.payload)
}

func orError(err error, format string, args ...any) string {
	if err != nil {
		return "error " + err.Error()
	}
	return fmt.Sprintf(format, args...)
}

// oracleText is loadText of x/net's Framer.
func oracleText(f http2.Frame) string {
	h := f.Header()
	switch f := f.(type) {
	case *http2.DataFrame:
		return fmt.Sprintf("DATA %d %x %x", h.StreamID, uint8(h.Flags), f.Data())
	case *http2.HeadersFrame:
		return fmt.Sprintf("HEADERS %d %x %x", h.StreamID, uint8(h.Flags), f.HeaderBlockFragment())
	case *http2.ContinuationFrame:
		return fmt.Sprintf("CONTINUATION %d %x %x", h.StreamID, uint8(h.Flags), f.HeaderBlockFragment())
	case *http2.PriorityFrame:
		return fmt.Sprintf("PRIORITY %d", h.StreamID)
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("RST_STREAM %d %x", h.StreamID, uint32(f.ErrCode))
	case *http2.SettingsFrame:
		var p []byte
		f.ForeachSetting(func(s http2.Setting) error {
			p = append(p, byte(s.ID>>8), byte(s.ID), byte(s.Val>>24), byte(s.Val>>16), byte(s.Val>>8), byte(s.Val))
			return nil
		})
		return fmt.Sprintf("SETTINGS %v %x", f.IsAck(), p)
	case *http2.PingFrame:
		return fmt.Sprintf("PING %x %x", uint8(h.Flags), f.Data)
	case *http2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %d %x %x", f.LastStreamID, uint32(f.ErrCode), f.DebugData())
	case *http2.WindowUpdateFrame:
		return fmt.Sprintf("WINDOW_UPDATE %d %d", h.StreamID, f.Increment)
	case *http2.UnknownFrame:
		return fmt.Sprintf("%x %d %x", uint8(h.Type), h.StreamID, f.Payload())
	}
	return fmt.Sprintf("%T", f)
}

// oracle reads p with x/net's Framer up to its first error; end: it stopped only because p ended.
func oracle(p []byte) (lines []string, end bool) {
	fr := http2.NewFramer(nil, bytes.NewReader(p))
	fr.SetMaxReadFrameSize(frameSizeMin)
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			var ce http2.ConnectionError
			var se http2.StreamError
			return lines, !errors.As(err, &ce) && !errors.As(err, &se) && !errors.Is(err, http2.ErrFrameTooLarge)
		}
		lines = append(lines, oracleText(f))
	}
}

// checkAgainstOracle reads p whole, octet by octet and cut at one place, and compares all with x/net's Framer.
func checkAgainstOracle(t *testing.T, p []byte, cut int) {
	whole, single, halves := newWireCollector(), newWireCollector(), newWireCollector()
	whole.feed(t, p)
	for i := range p {
		single.feed(t, p[i:i+1])
	}
	halves.feed(t, p[:cut])
	halves.feed(t, p[cut:])
	for _, w := range []*wireCollector{single, halves} {
		if strings.Join(w.lines, "\n") != strings.Join(whole.lines, "\n") || w.err != whole.err {
			t.Fatalf("split: %q %v\nwhole: %q %v", w.lines, w.err, whole.lines, whole.err)
		}
		w.r.close()
		if w.live != 0 {
			t.Fatalf("%d buffers held after close", w.live)
		}
	}
	compareWithOracle(t, whole, p)
}

func compareWithOracle(t *testing.T, w *wireCollector, p []byte) {
	want, end := oracle(p)
	for i, line := range w.lines {
		refused := strings.HasPrefix(line, "error ")
		switch {
		case refused && strings.HasSuffix(line, errSelfDependency.(*streamError).reason):
			return // Framer does not look at it
		case refused && (strings.HasSuffix(line, errHeadersTooShort.(*connError).reason) || strings.HasSuffix(line, errPadLengthAbsent.(*connError).reason)):
			return // Framer says io.ErrUnexpectedEOF, as for bytes that are not there yet
		case refused && i == len(want) && end && strings.HasSuffix(line, errPaddingTooLong.(*connError).reason):
			return // the same, where padding leaves no room for the priority fields
		case refused && (i < len(want) || end):
			t.Fatalf("frame %d: we say %q, Framer reads %q", i, line, want)
		case refused:
			return
		case strings.HasPrefix(line, "10 "):
			return // PRIORITY_UPDATE of RFC 9218, which only Framer knows
		case i == len(want) && strings.HasPrefix(line, "SETTINGS"):
			return // Framer looks at a value already; that is applyPeer's part
		case i == len(want):
			t.Fatalf("Framer refuses frame %d, we read %q", i, line)
		case line != want[i]:
			t.Fatalf("frame %d: %q, Framer reads %q", i, line, want[i])
		}
	}
	switch {
	case len(w.lines) < len(want) && w.err != errPushPromise:
		t.Fatalf("we stop after %q with %v, Framer reads on: %q", w.lines, w.err, want)
	case len(w.lines) == len(want) && end && w.err != nil && !early(w.err):
		t.Fatalf("we refuse with %v what Framer only waits for", w.err)
	case len(w.lines) == len(want) && !end && w.err == nil:
		t.Fatalf("Framer refuses what follows %q, we wait for more", w.lines)
	}
}

// early: found in the frame header, while Framer still waits for the payload.
func early(err error) bool {
	switch err {
	case errDataStreamZero, errHeadersStreamZero, errContinuation, errBlockInterrupted, errPushPromise,
		errPaddingTooLong, errPadLengthAbsent:
		return true
	}
	return false
}

// wireSample has a frame of every type, with and without padding and priority fields.
func wireSample(t testing.TB) []byte {
	var b bytes.Buffer
	fr := http2.NewFramer(&b, nil)
	for _, err := range []error{
		fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 7}, http2.Setting{ID: 99, Val: 1}),
		fr.WriteSettingsAck(),
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("abc"), PadLength: 3,
			Priority: http2.PriorityParam{StreamDep: 3, Weight: 9}}),
		fr.WriteContinuation(1, false, nil),
		fr.WriteContinuation(1, true, []byte("def")),
		fr.WriteDataPadded(1, false, []byte("hello"), []byte{0, 0, 0, 0}),
		fr.WriteDataPadded(1, false, nil, []byte{0, 0}),
		fr.WriteDataPadded(1, false, []byte("x"), []byte{}),
		fr.WriteData(1, true, nil),
		fr.WritePing(false, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}),
		fr.WriteRSTStream(1, http2.ErrCodeCancel),
		fr.WriteWindowUpdate(0, 1),
		fr.WriteWindowUpdate(3, 1<<31-1),
		fr.WritePriority(5, http2.PriorityParam{StreamDep: 1}),
		fr.WriteRawFrame(0xbe, 0xff, 7, []byte("unknown")),
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, EndHeaders: true, EndStream: true,
			BlockFragment: bytes.Repeat([]byte("z"), 700)}),
		fr.WriteGoAway(3, http2.ErrCodeNo, []byte("bye")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestFrameReaderSplitAtEveryByte(t *testing.T) {
	p := wireSample(t)
	for cut := range len(p) {
		checkAgainstOracle(t, p, cut)
	}
	w := newWireCollector()
	w.feed(t, p)
	if len(w.lines) != 17 || w.err != nil || !w.r.idle() {
		t.Fatalf("%d frames, error %v:\n%s", len(w.lines), w.err, strings.Join(w.lines, "\n"))
	}
}

func FuzzFrameReader(f *testing.F) {
	p := wireSample(f)
	f.Add(p, uint(20))
	f.Add(p[:100], uint(9))
	f.Add([]byte("\x00\x00\x01\x00\x08\x00\x00\x00\x01\x01"), uint(9))
	f.Add([]byte("\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"), uint(3))
	f.Add([]byte("\x00\x00\x05\x01\x28\x00\x00\x00\x01\x00\x00\x00\x00\x01"), uint(3))
	f.Add([]byte("\xff\xff\xff\x01\x04\x00\x00\x00\x01"), uint(1))
	f.Fuzz(func(t *testing.T, p []byte, cut uint) {
		if len(p) > 1<<12 {
			return
		}
		checkAgainstOracle(t, p, int(cut%uint(len(p)+1)))
	})
}

// rawFrame is a frame as no appender of ours would write it.
func rawFrame(length int, typ FrameType, flags Flags, stream uint32, payload string) []byte {
	return append(appendFrameHeader(nil, length, typ, flags, stream), payload...)
}

func TestFrameReaderRefuses(t *testing.T) {
	open := rawFrame(0, FrameHeaders, 0, 1, "")
	for _, c := range []struct {
		clause string
		bytes  []byte
		want   error
	}{
		{"An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame exceeds the size defined in SETTINGS_MAX_FRAME_SIZE (4.2)",
			rawFrame(frameSizeMin+1, FrameHeaders, 0, 1, ""), errFrameSize},
		{"the same for DATA", rawFrame(frameSizeMin+1, FrameData, 0, 1, ""), errFrameSize},
		{"If a DATA frame is received whose Stream Identifier field is 0x00, ... PROTOCOL_ERROR (6.1)",
			rawFrame(0, FrameData, 0, 0, ""), errDataStreamZero},
		{"If the length of the padding is the length of the frame payload or greater, ... PROTOCOL_ERROR (6.1)",
			rawFrame(3, FrameData, FlagPadded, 1, "\x03"), errPaddingTooLong},
		{"too small to contain mandatory frame data (4.2)", rawFrame(0, FrameData, FlagPadded, 1, ""), errPadLengthAbsent},
		{"a CONTINUATION frame MUST be preceded by a HEADERS ... without the END_HEADERS flag set (6.10)",
			rawFrame(0, FrameContinuation, FlagEndHeaders, 1, ""), errContinuation},
		{"any other type of frame ... MUST be a connection error of type PROTOCOL_ERROR (6.2)",
			append(open, rawFrame(0, FrameData, 0, 1, "")...), errBlockInterrupted},
		{"or a frame on a different stream (6.2)",
			append(open, rawFrame(0, FrameContinuation, FlagEndHeaders, 3, "")...), errBlockInterrupted},
		{"even of an unknown type (5.5)", append(open, rawFrame(0, 0xee, 0, 1, "")...), errBlockInterrupted},
		{"A client cannot push. ... PROTOCOL_ERROR (8.4)", rawFrame(4, FramePushPromise, 0, 1, "aaaa"), errPushPromise},
	} {
		w := newWireCollector()
		if w.feed(t, c.bytes); w.err != c.want {
			t.Errorf("%s: got %v, want %v", c.clause, w.err, c.want)
		}
	}
	// 16384 octets are not too many.
	w := newWireCollector()
	w.feed(t, rawFrame(frameSizeMin, FrameHeaders, FlagEndHeaders, 1, strings.Repeat("x", frameSizeMin)))
	if len(w.lines) != 1 || w.err != nil {
		t.Errorf("the largest frame: %d frames, %v", len(w.lines), w.err)
	}
}

// TestFrameReaderGrowsWithTheBytes: a header that promises 16 KB makes nobody allocate them.
func TestFrameReaderGrowsWithTheBytes(t *testing.T) {
	total := 0
	var r frameReader
	r.init(frameSizeMin, func(n int) []byte { total += n; return make([]byte, n) }, func([]byte) {})
	r.next(rawFrame(frameSizeMin, FrameHeaders, FlagEndHeaders, 1, "only a few octets"))
	if total == 0 || total > 1024 {
		t.Fatalf("%d octets allocated for 17", total)
	}
}

func TestPreface(t *testing.T) {
	for cut := range len(Preface) + 1 {
		var r prefaceReader
		n, done, err := r.next([]byte(Preface[:cut]))
		if n != cut || done != (cut == len(Preface)) || err != nil {
			t.Fatalf("cut %d: n %d done %v err %v", cut, n, done, err)
		}
		n, done, err = r.next([]byte(Preface[cut:] + "more"))
		if n != len(Preface)-cut || !done || err != nil {
			t.Fatalf("cut %d, rest: n %d done %v err %v", cut, n, done, err)
		}
	}
	for i := range len(Preface) {
		bad := []byte(Preface)
		bad[i] ^= 0x20
		var r prefaceReader
		if n, done, err := r.next(bad); n != i || done || err != errPreface {
			t.Fatalf("wrong at %d: n %d done %v err %v", i, n, done, err)
		}
	}
}

func TestFrameReaderAllocatesNothing(t *testing.T) {
	p := wireSample(t)
	var r frameReader
	r.init(frameSizeMin, nil, nil)
	if n := testing.AllocsPerRun(100, func() {
		for rest := p; ; {
			_, n, ok, err := r.next(rest)
			if rest = rest[n:]; !ok || err != nil {
				return
			}
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkFrameReaderPing(b *testing.B) {
	var r frameReader
	r.init(frameSizeMin, nil, nil)
	p := appendPing(nil, false, [8]byte{})
	for b.Loop() {
		if _, _, ok, _ := r.next(p); !ok {
			b.Fatal("no frame")
		}
	}
}
