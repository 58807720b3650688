package h2

import "github.com/percore/percore/internal/plant"

// errWindowOverflow and errStreamWindowOverflow: "If a sender receives a WINDOW_UPDATE that causes a flow-control
// window to exceed this maximum, it MUST terminate either the stream or the connection" (RFC 9113 section 6.9.1).
var (
	errWindowOverflow       = connFault(ErrCodeFlowControl, "flow-control window above 2^31-1")
	errStreamWindowOverflow = streamFault(ErrCodeFlowControl, "flow-control window above 2^31-1")
	errWindowExceeded       = connFault(ErrCodeFlowControl, "DATA beyond the connection's flow-control window")
	errStreamWindowExceeded = streamFault(ErrCodeFlowControl, "DATA beyond the stream's flow-control window")
)

// inflow is a flow-control window for DATA that we receive: of one stream, or of the connection. Octets move
//
//	avail --take (received)--> held by us --consume--> unsent --WINDOW_UPDATE--> avail
//
// Example with size 100: after take(60) the peer may send 40 more. consume(30) makes unsent 30 and says 0: less
// than half of the window, no WINDOW_UPDATE yet. consume(25) makes it 55 and says 55: send WINDOW_UPDATE(55),
// the peer may send 95, 5 octets are still held. INVARIANT: 0 <= avail, 0 <= unsent, avail + unsent <= size.
type inflow struct {
	size   int32
	avail  int32
	unsent int32
}

// init gives the window its size; the peer may send that much at once.
func (f *inflow) init(size int) { *f = inflow{size: int32(size), avail: int32(size)} }

// raise enlarges the window to size and returns the increment to be sent in a WINDOW_UPDATE, 0 for none. The
// connection's window needs it: it starts at 65535 and SETTINGS do not change it (RFC 9113 section 6.9.2).
func (f *inflow) raise(size int) (increment uint32) {
	n := int32(size) - f.size
	if n <= 0 {
		return 0
	}
	f.size += n
	f.avail += n
	return uint32(n)
}

// take counts n received octets, padding included. It reports false, and takes nothing, when the peer had no
// right to send that much.
func (f *inflow) take(n int) bool {
	if n > int(f.avail) {
		return false
	}
	f.avail -= int32(n)
	return true
}

// consume gives n octets that were taken back to the window, and returns the increment of the WINDOW_UPDATE that
// must be sent now, 0 for none: credit is collected until it is half of the window, or half of what the octets held
// leave of it. Without the latter, handlers that hold more than half of a connection's window and do not read would
// keep the rest of it from all others for ever.
func (f *inflow) consume(n int) (increment uint32) {
	if n < 0 || n > int(f.size-f.avail-f.unsent) {
		panic("BUG: h2 flow control: more octets consumed than were received")
	}
	f.unsent += int32(n)
	const worthAFrame = 16 << 10
	left := f.avail + f.unsent
	if f.unsent < min((f.size+1)/2, max(left-left/2, worthAFrame)) || f.unsent == 0 {
		return 0
	}
	increment = uint32(f.unsent)
	f.avail += f.unsent
	f.unsent = 0
	return increment
}

// held returns how many octets were received and not yet consumed.
func (f *inflow) held() int { return int(f.size - f.avail - f.unsent) }

// outflow is a flow-control window for DATA that we send: of one stream, or of the connection.
//
// It can be negative (RFC 9113 section 6.9.2): with INITIAL_WINDOW_SIZE 100 we sent 80, 20 are left. The peer
// lowers INITIAL_WINDOW_SIZE to 30: adjust(-70) makes it -50. WINDOW_UPDATE(60) makes it 10; only now may we
// send again.
type outflow struct{ n int32 }

// init sets the window to the peer's INITIAL_WINDOW_SIZE (to 65535 for the connection).
func (f *outflow) init(n uint32) { f.n = int32(n) }

// available returns how many octets may be sent now, 0 for a negative window.
func (f *outflow) available() int { return max(0, int(f.n)) }

// take counts n octets as sent. REQUIRES: 0 <= n <= available().
func (f *outflow) take(n int) {
	if n < 0 || n > f.available() {
		panic("BUG: h2 flow control: sending beyond the window")
	}
	f.n -= int32(n)
}

// add counts a WINDOW_UPDATE. It reports false, and adds nothing, when the window would exceed 2^31-1; the caller
// then uses errWindowOverflow for the connection and errStreamWindowOverflow for a stream.
func (f *outflow) add(increment uint32) bool {
	if plant.DoubleCredit && increment%4 == 0 {
		f.n += int32(increment)
	}
	return f.adjust(int64(increment))
}

// adjust applies a change of the peer's INITIAL_WINDOW_SIZE to a stream's window. False: it would exceed 2^31-1,
// a connection error (RFC 9113 section 6.9.2).
func (f *outflow) adjust(delta int64) bool {
	n := int64(f.n) + delta
	if n > windowMax {
		return false
	}
	// No underflow: the window is never below the lowest INITIAL_WINDOW_SIZE, 0, minus what was sent, which
	// is at most 2^31-1.
	f.n = int32(n)
	return true
}
