package h2

import "encoding/binary"

// The small frames: PRIORITY (RFC 9113 section 6.3), RST_STREAM (6.4), PING (6.7), GOAWAY (6.8) and
// WINDOW_UPDATE (6.9).

const (
	rstStreamLen    = 4
	pingLen         = 8
	goAwayLen       = 8
	windowUpdateLen = 4
)

var (
	errPriorityStreamZero  = connFault(ErrCodeProtocol, "PRIORITY frame on stream 0")
	errPrioritySize        = streamFault(ErrCodeFrameSize, "PRIORITY frame length is not 5")
	errRSTStreamZero       = connFault(ErrCodeProtocol, "RST_STREAM frame on stream 0")
	errRSTStreamSize       = connFault(ErrCodeFrameSize, "RST_STREAM frame length is not 4")
	errPingStream          = connFault(ErrCodeProtocol, "PING frame on a stream")
	errPingSize            = connFault(ErrCodeFrameSize, "PING frame length is not 8")
	errGoAwayStream        = connFault(ErrCodeProtocol, "GOAWAY frame on a stream")
	errGoAwaySize          = connFault(ErrCodeFrameSize, "GOAWAY frame is shorter than 8")
	errWindowUpdateSize    = connFault(ErrCodeFrameSize, "WINDOW_UPDATE frame length is not 4")
	errConnWindowIncrement = connFault(ErrCodeProtocol, "WINDOW_UPDATE increment is 0")
	errWindowIncrement     = streamFault(ErrCodeProtocol, "WINDOW_UPDATE increment is 0")
	errPushPromise         = connFault(ErrCodeProtocol, "PUSH_PROMISE frame, but push is not enabled")
)

// loadPriority checks a PRIORITY frame. The scheme it belongs to is deprecated (RFC 9113 section 5.3.2): there
// is nothing to keep. No stream state may be made for it, it may come on idle and closed streams.
func loadPriority(h FrameHeader, payload []byte) error {
	switch {
	case h.StreamID == 0:
		return errPriorityStreamZero
	case len(payload) != priorityLen:
		return errPrioritySize
	case dependency(payload) == h.StreamID:
		return errSelfDependency
	}
	return nil
}

// loadRSTStream returns the code of a RST_STREAM frame.
func loadRSTStream(h FrameHeader, payload []byte) (ErrCode, error) {
	switch {
	case h.StreamID == 0:
		return 0, errRSTStreamZero
	case len(payload) != rstStreamLen:
		return 0, errRSTStreamSize
	}
	return ErrCode(binary.BigEndian.Uint32(payload)), nil
}

// appendRSTStream appends a RST_STREAM frame.
func appendRSTStream(dst []byte, stream uint32, code ErrCode) []byte {
	dst = appendFrameHeader(dst, rstStreamLen, FrameRSTStream, 0, stream)
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

// loadPing returns the opaque data of a PING frame; h.Flags.has(FlagAck) tells an answer from a question.
func loadPing(h FrameHeader, payload []byte) (data [pingLen]byte, err error) {
	switch {
	case h.StreamID != 0:
		return data, errPingStream
	case len(payload) != pingLen:
		return data, errPingSize
	}
	return [pingLen]byte(payload), nil
}

// appendPing appends a PING frame; with ack it answers the peer's, whose data must be given back unchanged.
func appendPing(dst []byte, ack bool, data [pingLen]byte) []byte {
	var f Flags
	if ack {
		f = FlagAck
	}
	return append(appendFrameHeader(dst, pingLen, FramePing, f, 0), data[:]...)
}

// goAway is the content of a GOAWAY frame; debug aliases the frame's payload.
type goAway struct {
	lastStreamID uint32
	code         ErrCode
	debug        []byte
}

// loadGoAway returns the content of a GOAWAY frame.
func loadGoAway(h FrameHeader, payload []byte) (goAway, error) {
	switch {
	case h.StreamID != 0:
		return goAway{}, errGoAwayStream
	case len(payload) < goAwayLen:
		return goAway{}, errGoAwaySize
	}
	return goAway{
		lastStreamID: binary.BigEndian.Uint32(payload) & streamIDMask,
		code:         ErrCode(binary.BigEndian.Uint32(payload[4:])),
		debug:        payload[goAwayLen:],
	}, nil
}

// appendGoAway appends a GOAWAY frame; debug is a short text for the peer's log.
func appendGoAway(dst []byte, lastStreamID uint32, code ErrCode, debug string) []byte {
	dst = appendFrameHeader(dst, goAwayLen+len(debug), FrameGoAway, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, lastStreamID)
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return append(dst, debug...)
}

// loadWindowUpdate returns the increment of a WINDOW_UPDATE frame, never 0 without an error.
func loadWindowUpdate(h FrameHeader, payload []byte) (increment uint32, err error) {
	if len(payload) != windowUpdateLen {
		return 0, errWindowUpdateSize
	}
	// "A receiver MUST treat the receipt of a WINDOW_UPDATE frame with a flow-control window increment of 0
	// as a stream error of type PROTOCOL_ERROR; errors on the connection flow-control window MUST be treated
	// as a connection error." RFC 9113 section 6.9.
	if increment = binary.BigEndian.Uint32(payload) & streamIDMask; increment != 0 {
		return increment, nil
	}
	if h.StreamID == 0 {
		return 0, errConnWindowIncrement
	}
	return 0, errWindowIncrement
}

// appendWindowUpdate appends a WINDOW_UPDATE frame. REQUIRES: 1 <= increment <= 2^31-1.
func appendWindowUpdate(dst []byte, stream, increment uint32) []byte {
	dst = appendFrameHeader(dst, windowUpdateLen, FrameWindowUpdate, 0, stream)
	return binary.BigEndian.AppendUint32(dst, increment)
}
