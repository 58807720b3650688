package h2

// DATA, RFC 9113 section 6.1:
//
//	+---------------+
//	|Pad Length? (8)|
//	+---------------+-----------------------------------------------+
//	|                            Data (*)                         ...
//	+---------------------------------------------------------------+
//	|                           Padding (*)                       ...
//	+---------------------------------------------------------------+
//
// There is no load function: the frameReader takes the padding off, because it delivers DATA in fragments
// as they arrive instead of holding a whole frame.

var (
	errDataStreamZero  = connFault(ErrCodeProtocol, "DATA frame on stream 0")
	errPaddingTooLong  = connFault(ErrCodeProtocol, "padding is as long as the frame payload or longer")
	errPadLengthAbsent = connFault(ErrCodeFrameSize, "padded frame has no room for the pad length")
)

// appendDataHeader appends the header of a DATA frame; the caller appends length octets after it.
func appendDataHeader(dst []byte, stream uint32, length int, endStream bool) []byte {
	var f Flags
	if endStream {
		f = FlagEndStream
	}
	return appendFrameHeader(dst, length, FrameData, f, stream)
}

// appendData appends a DATA frame. REQUIRES: data fits the peer's MAX_FRAME_SIZE and both windows.
func appendData(dst []byte, stream uint32, data []byte, endStream bool) []byte {
	return append(appendDataHeader(dst, stream, len(data), endStream), data...)
}
