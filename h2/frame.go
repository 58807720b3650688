package h2

import (
	"encoding/binary"
	"strconv"
)

// Preface is what a client sends first, before its SETTINGS frame (RFC 9113 section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// FrameType is the type octet of a frame, RFC 9113 section 6.
type FrameType uint8

// The frame types of RFC 9113 section 6. A receiver ignores every other type (section 5.5).
const (
	FrameData         FrameType = 0x0
	FrameHeaders      FrameType = 0x1
	FramePriority     FrameType = 0x2
	FrameRSTStream    FrameType = 0x3
	FrameSettings     FrameType = 0x4
	FramePushPromise  FrameType = 0x5
	FramePing         FrameType = 0x6
	FrameGoAway       FrameType = 0x7
	FrameWindowUpdate FrameType = 0x8
	FrameContinuation FrameType = 0x9
)

// String returns the name RFC 9113 gives the type, or its hexadecimal value.
func (t FrameType) String() string {
	switch t {
	case FrameData:
		return "DATA"
	case FrameHeaders:
		return "HEADERS"
	case FramePriority:
		return "PRIORITY"
	case FrameRSTStream:
		return "RST_STREAM"
	case FrameSettings:
		return "SETTINGS"
	case FramePushPromise:
		return "PUSH_PROMISE"
	case FramePing:
		return "PING"
	case FrameGoAway:
		return "GOAWAY"
	case FrameWindowUpdate:
		return "WINDOW_UPDATE"
	case FrameContinuation:
		return "CONTINUATION"
	}
	return "frame type 0x" + strconv.FormatUint(uint64(t), 16)
}

// Flags is the flags octet of a frame; what a bit means depends on the frame type (RFC 9113 section 6).
type Flags uint8

// The flags of RFC 9113. FlagAck (SETTINGS, PING) and FlagEndStream (DATA, HEADERS) share a bit.
const (
	FlagEndStream  Flags = 0x01
	FlagAck        Flags = 0x01
	FlagEndHeaders Flags = 0x04
	FlagPadded     Flags = 0x08
	FlagPriority   Flags = 0x20
)

// has reports whether all bits of f are set.
func (fl Flags) has(f Flags) bool { return fl&f == f }

// FrameHeader is the 9-octet header of a frame, RFC 9113 section 4.1:
//
//	+-----------------------------------------------+
//	|                 Length (24)                   |
//	+---------------+---------------+---------------+
//	|   Type (8)    |   Flags (8)   |
//	+-+-------------+---------------+-------------------------------+
//	|R|                 Stream Identifier (31)                      |
//	+=+=============================================================+
//	|                   Frame Payload (Length octets)             ...
type FrameHeader struct {
	// Length is the number of payload octets, the header not counted.
	Length uint32
	// Type is the frame's type.
	Type FrameType
	// Flags are the frame's flags as they came; undefined bits are kept.
	Flags Flags
	// StreamID is the frame's stream, 0 for the connection; the reserved bit is cleared.
	StreamID uint32
}

const (
	frameHeaderLen = 9
	// frameSizeMin is the smallest SETTINGS_MAX_FRAME_SIZE and its initial value, RFC 9113 section 6.5.2.
	frameSizeMin = 1 << 14
	// frameSizeLimit is the largest one.
	frameSizeLimit = 1<<24 - 1
	streamIDMask   = 1<<31 - 1
)

// parseFrameHeader reads the header at the start of p. REQUIRES: len(p) >= frameHeaderLen.
func parseFrameHeader(p []byte) FrameHeader {
	_ = p[frameHeaderLen-1]
	return FrameHeader{
		Length:   uint32(p[0])<<16 | uint32(p[1])<<8 | uint32(p[2]),
		Type:     FrameType(p[3]),
		Flags:    Flags(p[4]),
		StreamID: binary.BigEndian.Uint32(p[5:9]) & streamIDMask,
	}
}

// appendFrameHeader appends the header of a frame whose payload has length octets.
func appendFrameHeader(dst []byte, length int, t FrameType, f Flags, stream uint32) []byte {
	return append(dst,
		byte(length>>16), byte(length>>8), byte(length), byte(t), byte(f),
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

// putFrameHeader writes a frame header over the first 9 octets of p.
func putFrameHeader(p []byte, length int, t FrameType, f Flags, stream uint32) {
	appendFrameHeader(p[:0], length, t, f, stream)
}
