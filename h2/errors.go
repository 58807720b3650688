package h2

import "strconv"

// ErrCode is an HTTP/2 error code, RFC 9113 section 7. It travels in RST_STREAM and GOAWAY and is
// deliberately not an error itself: an error also has a scope and an initiator.
type ErrCode uint32

// The error codes of RFC 9113 section 7.
const (
	ErrCodeNo                 ErrCode = 0x0
	ErrCodeProtocol           ErrCode = 0x1
	ErrCodeInternal           ErrCode = 0x2
	ErrCodeFlowControl        ErrCode = 0x3
	ErrCodeSettingsTimeout    ErrCode = 0x4
	ErrCodeStreamClosed       ErrCode = 0x5
	ErrCodeFrameSize          ErrCode = 0x6
	ErrCodeRefusedStream      ErrCode = 0x7
	ErrCodeCancel             ErrCode = 0x8
	ErrCodeCompression        ErrCode = 0x9
	ErrCodeConnect            ErrCode = 0xa
	ErrCodeEnhanceYourCalm    ErrCode = 0xb
	ErrCodeInadequateSecurity ErrCode = 0xc
	ErrCodeHTTP11Required     ErrCode = 0xd
)

// String returns the name RFC 9113 gives the code, or its hexadecimal value for a code that RFC does not know.
func (c ErrCode) String() string {
	switch c {
	case ErrCodeNo:
		return "NO_ERROR"
	case ErrCodeProtocol:
		return "PROTOCOL_ERROR"
	case ErrCodeInternal:
		return "INTERNAL_ERROR"
	case ErrCodeFlowControl:
		return "FLOW_CONTROL_ERROR"
	case ErrCodeSettingsTimeout:
		return "SETTINGS_TIMEOUT"
	case ErrCodeStreamClosed:
		return "STREAM_CLOSED"
	case ErrCodeFrameSize:
		return "FRAME_SIZE_ERROR"
	case ErrCodeRefusedStream:
		return "REFUSED_STREAM"
	case ErrCodeCancel:
		return "CANCEL"
	case ErrCodeCompression:
		return "COMPRESSION_ERROR"
	case ErrCodeConnect:
		return "CONNECT_ERROR"
	case ErrCodeEnhanceYourCalm:
		return "ENHANCE_YOUR_CALM"
	case ErrCodeInadequateSecurity:
		return "INADEQUATE_SECURITY"
	case ErrCodeHTTP11Required:
		return "HTTP_1_1_REQUIRED"
	}
	return "error code 0x" + strconv.FormatUint(uint64(c), 16)
}

// Initiator says which side ended a stream or a connection.
type Initiator uint8

const (
	// InitiatorLocal is this side: we sent the RST_STREAM or the GOAWAY.
	InitiatorLocal Initiator = iota
	// InitiatorPeer is the other side: we received it.
	InitiatorPeer
)

// String returns "local" or "peer".
func (i Initiator) String() string {
	if i == InitiatorPeer {
		return "peer"
	}
	return "local"
}

// ConnectionError says that a whole HTTP/2 connection ended by an error (RFC 9113 section 5.4.1).
// Find it with errors.As and a *ConnectionError.
type ConnectionError struct {
	// Code is the code in the GOAWAY frame.
	Code ErrCode
	// Reason says what was wrong; for InitiatorPeer it is the GOAWAY frame's debug data.
	Reason string
	// Initiator is the side that sent the GOAWAY.
	Initiator Initiator
	// LastStreamID is the highest stream that may have been processed; streams above it may be retried.
	LastStreamID uint32
}

// Error implements error.
func (e *ConnectionError) Error() string {
	return "h2: connection ended by " + e.Initiator.String() + " with " + describe(e.Code, e.Reason)
}

// StreamError says that one stream was reset (RFC 9113 section 5.4.2); the connection goes on.
// Find it with errors.As and a *StreamError.
type StreamError struct {
	// StreamID is the stream that was reset.
	StreamID uint32
	// Code is the code in the RST_STREAM frame.
	Code ErrCode
	// Reason says what was wrong; empty when the peer reset the stream, its frame has no room for one.
	Reason string
	// Initiator is the side that sent the RST_STREAM.
	Initiator Initiator
}

// Error implements error.
func (e *StreamError) Error() string {
	id := strconv.FormatUint(uint64(e.StreamID), 10)
	return "h2: stream " + id + " reset by " + e.Initiator.String() + " with " + describe(e.Code, e.Reason)
}

// connError is a fault of the peer that ends the connection: answer with GOAWAY(code).
//
// All connErrors and streamErrors of this package's wire layer are the package variables made by connFault
// and streamFault and are never written to: a flood of faults allocates nothing. A stream error therefore
// names no stream; it concerns the stream of the frame at hand.
type connError struct {
	code   ErrCode
	reason string
}

func (e *connError) Error() string { return "h2: connection error " + describe(e.code, e.reason) }

// public returns the error users see for a connection that we ended by e.
func (e *connError) public(lastStreamID uint32) *ConnectionError {
	return &ConnectionError{Code: e.code, Reason: e.reason, Initiator: InitiatorLocal, LastStreamID: lastStreamID}
}

// streamError is a fault of the peer that ends one stream: answer with RST_STREAM(code).
type streamError struct {
	code   ErrCode
	reason string
}

func (e *streamError) Error() string { return "h2: stream error " + describe(e.code, e.reason) }

// public returns the error users see for a stream that we reset by e.
func (e *streamError) public(streamID uint32) *StreamError {
	return &StreamError{StreamID: streamID, Code: e.code, Reason: e.reason, Initiator: InitiatorLocal}
}

// ignoredFrame is the type of errIgnoreFrame.
type ignoredFrame struct{}

func (*ignoredFrame) Error() string { return "h2: frame on a stream reset by us is ignored" }

// errIgnoreFrame is the third answer of the stream state's verbs: neither side is at fault, drop the frame
// (after its flow-control octets were counted and its header block was decoded).
var errIgnoreFrame error = &ignoredFrame{}

// connFault and streamFault make the fixed errors of the wire layer, at package initialization only.
func connFault(code ErrCode, reason string) error   { return &connError{code, reason} }
func streamFault(code ErrCode, reason string) error { return &streamError{code, reason} }

func describe(code ErrCode, reason string) string {
	if reason == "" {
		return code.String()
	}
	return code.String() + ": " + reason
}
