package h2

import "encoding/binary"

// HEADERS, RFC 9113 section 6.2, and CONTINUATION, section 6.10 (which is a field block fragment only):
//
//	+---------------+
//	|Pad Length? (8)|
//	+-+-------------+-----------------------------------------------+
//	|E|                 Stream Dependency? (31)                     |
//	+-+-------------+-----------------------------------------------+
//	|  Weight? (8)  |
//	+-+-------------+-----------------------------------------------+
//	|                   Field Block Fragment (*)                  ...
//	+---------------------------------------------------------------+
//	|                           Padding (*)                       ...
//	+---------------------------------------------------------------+

const priorityLen = 5

var (
	errHeadersStreamZero = connFault(ErrCodeProtocol, "HEADERS frame on stream 0")
	errHeadersTooShort   = connFault(ErrCodeFrameSize, "HEADERS frame has no room for its priority fields")
	errSelfDependency    = streamFault(ErrCodeProtocol, "stream depends on itself")
)

// loadHeaders returns the field block fragment of a HEADERS frame without padding and priority fields; it
// aliases payload. A *streamError comes together with the fragment: it must be decoded all the same, or the
// HPACK tables of the two sides part (RFC 9113 section 4.3).
func loadHeaders(h FrameHeader, payload []byte) (fragment []byte, err error) {
	if h.StreamID == 0 {
		return nil, errHeadersStreamZero
	}
	if h.Flags&(FlagPadded|FlagPriority) == 0 {
		return payload, nil
	}
	if fragment, err = stripPadding(h, payload); err != nil || !h.Flags.has(FlagPriority) {
		return fragment, err
	}
	if len(fragment) < priorityLen {
		return nil, errHeadersTooShort
	}
	if dependency(fragment) == h.StreamID {
		err = errSelfDependency // RFC 7540 section 5.3.1
	}
	return fragment[priorityLen:], err
}

// stripPadding returns payload without pad length and padding, RFC 9113 section 6.1.
func stripPadding(h FrameHeader, payload []byte) ([]byte, error) {
	if !h.Flags.has(FlagPadded) {
		return payload, nil
	}
	if len(payload) == 0 {
		return nil, errPadLengthAbsent
	}
	pad := int(payload[0])
	if pad >= len(payload) {
		return nil, errPaddingTooLong
	}
	return payload[1 : len(payload)-pad], nil
}

// dependency reads the stream dependency at the start of priority fields. REQUIRES: len(p) >= 4.
func dependency(p []byte) uint32 { return binary.BigEndian.Uint32(p) & streamIDMask }

// appendHeaders appends block as one HEADERS frame and as many CONTINUATION frames as frameSizeMax, the peer's
// MAX_FRAME_SIZE, makes necessary. To encode without a scratch buffer use openHeaders and closeHeaders.
func appendHeaders(dst []byte, stream uint32, block []byte, endStream bool, frameSizeMax int) []byte {
	start := len(dst)
	dst = append(openHeaders(dst), block...)
	return closeHeaders(dst, start, stream, endStream, frameSizeMax)
}

// openHeaders reserves the header of a HEADERS frame at the end of dst; encode the block after it, then call
// closeHeaders with the length dst had before openHeaders.
func openHeaders(dst []byte) []byte {
	var room [frameHeaderLen]byte
	return append(dst, room[:]...)
}

// closeHeaders completes the HEADERS frame opened at dst[start]; the block ends where dst ends. A block longer
// than frameSizeMax is cut into CONTINUATION frames in place.
func closeHeaders(dst []byte, start int, stream uint32, endStream bool, frameSizeMax int) []byte {
	f := FlagEndHeaders
	if endStream {
		f |= FlagEndStream
	}
	n := len(dst) - start - frameHeaderLen
	if n > frameSizeMax {
		return splitHeaders(dst, start, stream, f, frameSizeMax)
	}
	putFrameHeader(dst[start:], n, FrameHeaders, f, stream)
	return dst
}

// splitHeaders makes room for the CONTINUATION headers by moving the chunks, the last one first:
//
//	start                                    start
//	| 9 | chunk 0 | chunk 1 | rest |   ->    | 9 | chunk 0 | 9 | chunk 1 | 9 | rest |
func splitHeaders(dst []byte, start int, stream uint32, f Flags, frameSizeMax int) []byte {
	n := len(dst) - start - frameHeaderLen
	chunks := (n + frameSizeMax - 1) / frameSizeMax
	for i := 1; i < chunks; i++ {
		dst = openHeaders(dst)
	}
	flags, end := FlagEndHeaders, n
	for i := chunks - 1; i > 0; i-- {
		from := i * frameSizeMax
		src := start + frameHeaderLen + from
		at := src + (i-1)*frameHeaderLen
		copy(dst[at+frameHeaderLen:], dst[src:start+frameHeaderLen+end])
		putFrameHeader(dst[at:], end-from, FrameContinuation, flags, stream)
		flags, end = 0, from
	}
	putFrameHeader(dst[start:], frameSizeMax, FrameHeaders, f&^FlagEndHeaders, stream)
	return dst
}
