package h2

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

func TestFrameHeader(t *testing.T) {
	for _, h := range []FrameHeader{
		{}, {Length: 1, Type: FrameHeaders, Flags: FlagEndHeaders | FlagEndStream, StreamID: 1},
		{Length: frameSizeLimit, Type: 0xff, Flags: 0xff, StreamID: streamIDMask},
		{Length: 0x010203, Type: FrameContinuation, StreamID: 0x04050607},
	} {
		p := appendFrameHeader(nil, int(h.Length), h.Type, h.Flags, h.StreamID)
		if got := parseFrameHeader(p); got != h || len(p) != frameHeaderLen {
			t.Errorf("%+v came back as %+v", h, got)
		}
	}
	// "A reserved 1-bit field ... MUST be ignored when receiving." RFC 9113 section 4.1.
	if h := parseFrameHeader([]byte{0, 0, 0, 0, 0, 0x80, 0, 0, 1}); h.StreamID != 1 {
		t.Errorf("stream %x with the reserved bit", h.StreamID)
	}
}

// TestAppendersAgainstFramer: what we append is what x/net's Framer reads.
func TestAppendersAgainstFramer(t *testing.T) {
	s := initialSettings()
	s.MaxConcurrentStreams, s.InitialWindowSize, s.EnableConnectProtocol = 250, 1, true
	p := appendSettings(nil, &s)
	p = appendSettingsAck(p)
	p = appendHeaders(p, 1, []byte("block"), false, frameSizeMin)
	p = appendData(p, 1, []byte("hello"), true)
	p = appendRSTStream(p, 3, ErrCodeCancel)
	p = appendPing(p, true, [8]byte{1, 2, 3, 4, 5, 6, 7, 8})
	p = appendGoAway(p, 7, ErrCodeEnhanceYourCalm, "calm")
	p = appendWindowUpdate(p, 0, 5)
	lines, _ := oracle(p)
	want := []string{
		"SETTINGS false 0003000000fa000400000001000800000001", "SETTINGS true ", "HEADERS 1 4 626c6f636b",
		"DATA 1 1 68656c6c6f", "RST_STREAM 3 8", "PING 1 0102030405060708", "GOAWAY 7 b 63616c6d", "WINDOW_UPDATE 0 5",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Fatalf("got %q", lines)
	}
}

// TestHeadersAreSplit: every length around the borders, behind other bytes, gives HEADERS and CONTINUATION frames of
// which all but the last are full.
func TestHeadersAreSplit(t *testing.T) {
	const frameMax = 10
	for n := range 45 {
		block := []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")[:n]
		p := appendHeaders([]byte("before"), 5, block, n%2 == 0, frameMax)
		if !bytes.HasPrefix(p, []byte("before")) {
			t.Fatalf("length %d: %q", n, p)
		}
		fr := http2.NewFramer(nil, bytes.NewReader(p[6:]))
		var got []byte
		for end := false; !end; {
			f, err := fr.ReadFrame()
			if err != nil {
				t.Fatalf("length %d: %v", n, err)
			}
			switch f := f.(type) {
			case *http2.HeadersFrame:
				got, end = append(got, f.HeaderBlockFragment()...), f.HeadersEnded()
				if f.StreamEnded() != (n%2 == 0) {
					t.Fatalf("length %d: END_STREAM %v", n, f.StreamEnded())
				}
			case *http2.ContinuationFrame:
				got, end = append(got, f.HeaderBlockFragment()...), f.HeadersEnded()
			}
			if !end && f.Header().Length != frameMax {
				t.Fatalf("length %d: a frame of %d", n, f.Header().Length)
			}
		}
		if !bytes.Equal(got, block) {
			t.Fatalf("length %d: got %q", n, got)
		}
		if _, err := fr.ReadFrame(); err == nil {
			t.Fatalf("length %d: bytes behind the block", n)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct {
		clause  string
		typ     FrameType
		flags   Flags
		stream  uint32
		payload string
		want    error
	}{
		{"6.2 stream 0", FrameHeaders, 0, 0, "", errHeadersStreamZero},
		{"6.2 padding", FrameHeaders, FlagPadded, 1, "\x03ab", errPaddingTooLong},
		{"6.2 no pad length", FrameHeaders, FlagPadded, 1, "", errPadLengthAbsent},
		{"4.2 no room for priority", FrameHeaders, FlagPriority, 1, "abcd", errHeadersTooShort},
		{"4.2 padding takes the room of priority", FrameHeaders, FlagPriority | FlagPadded, 1, "\x01abcde", errHeadersTooShort},
		{"A stream cannot depend on itself (RFC 7540 5.3.1)", FrameHeaders, FlagPriority, 1, "\x80\x00\x00\x01z", errSelfDependency},
		{"6.3 stream 0", FramePriority, 0, 0, "abcde", errPriorityStreamZero},
		{"a length other than 5 octets MUST be treated as a stream error of type FRAME_SIZE_ERROR (6.3)", FramePriority, 0, 1, "abcd", errPrioritySize},
		{"RFC 7540 5.3.1", FramePriority, 0, 1, "\x00\x00\x00\x01z", errSelfDependency},
		{"6.4 stream 0", FrameRSTStream, 0, 0, "abcd", errRSTStreamZero},
		{"6.4 length", FrameRSTStream, 0, 1, "abc", errRSTStreamSize},
		{"6.5 stream", FrameSettings, 0, 1, "", errSettingsStream},
		{"Receipt of a SETTINGS frame with the ACK flag set and a length field value other than 0 (6.5)", FrameSettings, FlagAck, 0, "abcdef", errSettingsAck},
		{"a length other than a multiple of 6 octets (6.5)", FrameSettings, 0, 0, "abcdefg", errSettingsSize},
		{"6.7 stream", FramePing, 0, 1, "12345678", errPingStream},
		{"6.7 length", FramePing, FlagAck, 0, "1234567", errPingSize},
		{"6.8 stream", FrameGoAway, 0, 1, "12345678", errGoAwayStream},
		{"6.8 length", FrameGoAway, 0, 0, "1234567", errGoAwaySize},
		{"6.9 length", FrameWindowUpdate, 0, 1, "12345", errWindowUpdateSize},
		{"6.9 zero on a stream", FrameWindowUpdate, 0, 1, "\x80\x00\x00\x00", errWindowIncrement},
		{"6.9 zero on the connection", FrameWindowUpdate, 0, 0, "\x00\x00\x00\x00", errConnWindowIncrement},
	} {
		h := FrameHeader{Length: uint32(len(c.payload)), Type: c.typ, Flags: c.flags, StreamID: c.stream}
		if got := loadText(&frame{h: h, payload: []byte(c.payload)}); got != "error "+c.want.Error() {
			t.Errorf("%s: got %q, want %v", c.clause, got, c.want)
		}
	}
	// The fragment must come along with the stream error: it has to be decoded.
	h := FrameHeader{Type: FrameHeaders, Flags: FlagPriority | FlagPadded, StreamID: 9}
	if block, err := loadHeaders(h, []byte("\x01\x00\x00\x00\x09wblockp")); string(block) != "block" || err != errSelfDependency {
		t.Errorf("block %q, error %v", block, err)
	}
}

func TestNames(t *testing.T) {
	for c := range ErrCode(14) {
		if want := http2.ErrCode(c).String(); c.String() != want {
			t.Errorf("code %d is %q, want %q", uint32(c), c, want)
		}
	}
	for typ := range FrameType(10) {
		if want := http2.FrameType(typ).String(); typ.String() != want {
			t.Errorf("type %d is %q, want %q", uint8(typ), typ, want)
		}
	}
	if ErrCode(255).String() != "error code 0xff" || FrameType(254).String() != "frame type 0xfe" {
		t.Error(ErrCode(255), FrameType(254))
	}
}

func TestAppendersAllocateNothing(t *testing.T) {
	dst := make([]byte, 0, 4096)
	s := initialSettings()
	block := make([]byte, 50)
	if n := testing.AllocsPerRun(100, func() {
		p := appendSettings(dst, &s)
		p = appendSettingsAck(p)
		p = appendHeaders(p, 1, block, false, 20)
		p = appendData(p, 1, block, true)
		p = appendRSTStream(p, 1, ErrCodeCancel)
		p = appendPing(p, true, [8]byte{})
		p = appendGoAway(p, 1, ErrCodeNo, "reason")
		appendWindowUpdate(p, 1, 1)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
