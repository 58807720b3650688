package h2

var (
	errPreface          = connFault(ErrCodeProtocol, "the client did not send the HTTP/2 connection preface")
	errFrameSize        = connFault(ErrCodeFrameSize, "frame is larger than the SETTINGS_MAX_FRAME_SIZE we sent")
	errBlockInterrupted = connFault(ErrCodeProtocol, "another frame came where CONTINUATION of a field block must follow")
	errContinuation     = connFault(ErrCodeProtocol, "CONTINUATION frame without an open field block")
)

// prefaceReader checks the client's connection preface (RFC 9113 section 3.4) as it arrives.
type prefaceReader struct{ seen uint8 }

// next takes octets of the preface from p. done: it is complete, frames begin at p[n]. The error comes at the
// first octet that is wrong, so that a client of another protocol is not kept waiting.
func (r *prefaceReader) next(p []byte) (n int, done bool, err error) {
	for n < len(p) && int(r.seen) < len(Preface) {
		if p[n] != Preface[r.seen] {
			return n, false, errPreface
		}
		n++
		r.seen++
	}
	return n, int(r.seen) == len(Preface), nil
}

// frame is what frameReader.next delivers: a whole frame, or for DATA a fragment of one.
type frame struct {
	h FrameHeader
	// payload aliases the bytes given to next, or the reader's own buffer: it is valid until the next call of
	// next or release. Of DATA it is the part of the data in this fragment, without padding.
	payload []byte
	// flow is how many octets of this DATA fragment count for flow control: data, padding and pad length.
	flow int
	// dataStart and dataEnd mark the first and the last fragment of a DATA frame (both, when it came whole).
	// FlagEndStream takes effect with the last one.
	dataStart, dataEnd bool
}

// endStream reports whether this frame or fragment ends the peer's side of the stream.
func (f *frame) endStream() bool {
	return f.h.Flags.has(FlagEndStream) && (f.h.Type == FrameHeaders || f.h.Type == FrameData && f.dataEnd)
}

type readerPhase uint8

const (
	readHeader  readerPhase = iota // nothing or a part of the frame header was seen
	readPayload                    // kept holds a part of the payload of a frame that is not DATA
	readPad                        // the pad length octet of a DATA frame is next
	readData                       // left octets of a DATA frame are next
)

// frameReader cuts the peer's bytes into frames, at whatever offsets they were split on their way. It is used by
// one connection, on its core.
//
// A frame that lies whole in the bytes given to next is not copied. Of one that does not, the bytes seen so far
// are kept in a buffer that grows with them (a header alone makes nobody allocate its whole length); DATA is not
// kept at all but delivered in fragments. At a frame boundary the reader holds no memory.
//
// It also checks what needs no stream: the frame size, and that nothing comes between the frames of a field block
// (RFC 9113 section 6.10). After an error it must not be used again, but for release.
type frameReader struct {
	frameSizeMax uint32
	phase        readerPhase
	seen         uint8 // octets in hdr
	pad          uint8 // padding octets still to come
	first        bool  // no fragment of the DATA frame was delivered yet
	delivered    bool  // kept belongs to a frame that was delivered
	hdr          [frameHeaderLen]byte
	block        uint32 // the stream whose field block is open, 0: none
	left         uint32 // DATA octets still to come, padding included
	used         uint32 // octets in kept
	h            FrameHeader
	kept         []byte
	alloc        func(n int) []byte
	free         func([]byte)
}

// init sets the largest payload we advertised and where buffers come from; nil functions use the Go heap.
func (r *frameReader) init(frameSizeMax int, alloc func(n int) []byte, free func([]byte)) {
	if alloc == nil {
		alloc, free = func(n int) []byte { return make([]byte, n) }, func([]byte) {}
	}
	*r = frameReader{frameSizeMax: uint32(frameSizeMax), alloc: alloc, free: free}
}

// next takes n bytes from p and, with ok, delivers a frame. Without ok all of p was taken and more bytes are
// needed. The error is a *connError. Call it in a loop:
//
//	for {
//		f, n, ok, err := r.next(p)
//		p = p[n:]
//		...
//	}
//
// and call release when the loop is left with a frame, rather than with !ok.
func (r *frameReader) next(p []byte) (f frame, n int, ok bool, err error) {
	if r.phase == readHeader && r.seen == 0 && len(p) >= frameHeaderLen && FrameType(p[3]) != FrameData {
		r.release()
		h := parseFrameHeader(p)
		if end := frameHeaderLen + int(h.Length); len(p) >= end {
			if err = r.check(h); err != nil {
				return f, 0, false, err
			}
			f.h, f.payload = h, p[frameHeaderLen:end:end]
			return f, end, true, nil
		}
	}
	return r.nextPart(p)
}

// idle reports whether the reader is at a frame boundary and outside of a field block.
func (r *frameReader) idle() bool { return r.phase == readHeader && r.seen == 0 && r.block == 0 }

// blockOpen reports whether a field block has begun and CONTINUATION must follow.
func (r *frameReader) blockOpen() bool { return r.block != 0 }

// release gives back the buffer of the frame delivered last.
func (r *frameReader) release() {
	if r.delivered {
		r.drop()
	}
}

// close gives back whatever the reader holds; the connection is over.
func (r *frameReader) close() { r.drop() }

func (r *frameReader) drop() {
	if r.kept != nil {
		r.free(r.kept)
	}
	r.kept, r.used, r.delivered = nil, 0, false
}

// check looks at a frame header that is complete, before its payload is waited for.
func (r *frameReader) check(h FrameHeader) error {
	if h.Length > r.frameSizeMax {
		return errFrameSize
	}
	if r.block != 0 {
		return r.checkInBlock(h)
	}
	switch h.Type {
	case FrameHeaders:
		if !h.Flags.has(FlagEndHeaders) {
			r.block = h.StreamID
			if h.StreamID == 0 {
				return errHeadersStreamZero
			}
		}
	case FrameContinuation:
		return errContinuation
	case FramePushPromise:
		return errPushPromise
	}
	return nil
}

func (r *frameReader) checkInBlock(h FrameHeader) error {
	if h.Type != FrameContinuation || h.StreamID != r.block {
		return errBlockInterrupted
	}
	if h.Flags.has(FlagEndHeaders) {
		r.block = 0
	}
	return nil
}

// nextPart is next for DATA and for frames that do not lie whole in p.
func (r *frameReader) nextPart(p []byte) (f frame, n int, ok bool, err error) {
	r.release()
	if r.phase == readHeader {
		c := copy(r.hdr[r.seen:], p)
		n += c
		if r.seen += uint8(c); r.seen < frameHeaderLen {
			return f, n, false, nil
		}
		if err = r.begin(); err != nil {
			return f, n, false, err
		}
	}
	if r.phase == readPad {
		if n == len(p) {
			return f, n, false, nil
		}
		if uint32(p[n]) >= r.left {
			return f, n, false, errPaddingTooLong
		}
		r.pad = p[n]
		r.left--
		r.phase = readData
		n++
	}
	var c int
	if r.phase == readData {
		f, c, ok = r.data(p[n:])
	} else {
		f, c, ok = r.payload(p[n:])
	}
	return f, n + c, ok, nil
}

// begin reads the frame header in hdr.
func (r *frameReader) begin() error {
	r.h = parseFrameHeader(r.hdr[:])
	r.seen = 0
	if err := r.check(r.h); err != nil {
		return err
	}
	r.phase = readPayload
	if r.h.Type == FrameData {
		return r.beginData()
	}
	return nil
}

func (r *frameReader) beginData() error {
	if r.h.StreamID == 0 {
		return errDataStreamZero
	}
	r.phase, r.left, r.pad, r.first = readData, r.h.Length, 0, true
	if r.h.Flags.has(FlagPadded) {
		if r.h.Length == 0 {
			return errPadLengthAbsent
		}
		r.phase = readPad
	}
	return nil
}

// data delivers what p holds of the DATA frame at hand.
func (r *frameReader) data(p []byte) (f frame, n int, ok bool) {
	body := min(len(p), int(r.left)-int(r.pad))
	n = min(len(p), int(r.left))
	if n == 0 && r.left > 0 {
		return f, 0, false
	}
	f = frame{h: r.h, payload: p[:body:body], flow: n, dataStart: r.first}
	if r.first && r.h.Flags.has(FlagPadded) {
		f.flow++ // the pad length octet itself
	}
	r.first = false
	r.left -= uint32(n)
	r.pad -= uint8(n - body)
	if r.left == 0 {
		f.dataEnd = true
		r.phase = readHeader
	}
	return f, n, true
}

// payload delivers the frame at hand if p completes it, else keeps p.
func (r *frameReader) payload(p []byte) (f frame, n int, ok bool) {
	n = min(len(p), int(r.h.Length-r.used))
	if n < int(r.h.Length-r.used) {
		r.keep(p[:n])
		return f, n, false
	}
	r.phase = readHeader
	if r.kept == nil {
		return frame{h: r.h, payload: p[:n:n]}, n, true
	}
	r.keep(p[:n])
	r.delivered = true
	return frame{h: r.h, payload: r.kept[:r.used:r.used]}, n, true
}

// keep appends p to kept, which at least doubles when it is full.
func (r *frameReader) keep(p []byte) {
	if len(p) == 0 {
		return
	}
	need := int(r.used) + len(p)
	if need > len(r.kept) {
		const keptMin = 512
		grown := r.alloc(min(int(r.h.Length), max(2*need, keptMin)))
		copy(grown, r.kept[:r.used])
		if r.kept != nil {
			r.free(r.kept)
		}
		r.kept = grown
	}
	r.used += uint32(copy(r.kept[r.used:], p))
}
