package coretls

// Limits of what a handshake may send us.
const (
	// intakeMax is how much waits unread: two whole records fit.
	intakeMax = 40 << 10
	// handshakeBytesMax is the most one handshake may send in all. A chain of
	// client certificates fits many times over.
	handshakeBytesMax = 256 << 10
)

// intake keeps the cipher bytes of a handshake until it asks for them. It hands
// them out without ever crossing a record's end in one read, so that the bytes
// after the handshake's last record are still here when it is done.
//
//	buf: | given | waiting ... |
//	     0       off           len
type intake struct {
	mem   memory
	buf   []byte // a pooled chunk, or nil when nothing waits
	off   int
	left  int // bytes of the current record still to be given
	total int // bytes ever taken
}

// put takes as much of p as fits and returns how much that was.
func (i *intake) put(p []byte) int {
	n := min(len(p), intakeMax-i.waiting())
	if n <= 0 {
		return 0
	}
	if i.off > 0 && len(i.buf)+n > cap(i.buf) {
		i.buf = i.buf[:copy(i.buf, i.buf[i.off:])]
		i.off = 0
	}
	i.buf = appendChunk(i.mem, i.buf, p[:n])
	i.total += n
	return n
}

// space returns room for n more bytes behind what waits; grew says how many came.
func (i *intake) space(n int) []byte {
	if cap(i.buf)-len(i.buf) < n {
		next := i.mem.Chunk(i.waiting() + n)
		next = next[:copy(next, i.rest())]
		freeChunk(i.mem, i.buf)
		i.buf, i.off = next, 0
	}
	return i.buf[len(i.buf) : len(i.buf)+n]
}

func (i *intake) grew(n int) {
	i.buf = i.buf[:len(i.buf)+n]
	i.total += n
	if i.waiting() == 0 {
		i.release()
	}
}

// allowed is how many bytes may be given now: none before a whole record header
// is here, and never more than the rest of the record.
func (i *intake) allowed() int {
	b := i.rest()
	if i.left == 0 {
		if len(b) < headerLen {
			return 0
		}
		i.left = headerLen + int(b[3])<<8 + int(b[4])
	}
	return min(i.left, len(b))
}

// get gives up to len(p) of the allowed bytes.
func (i *intake) get(p []byte) int {
	n := copy(p, i.rest()[:i.allowed()])
	i.left -= n
	i.skip(n)
	return n
}

// rest is what waits. It is valid until the next put, get or skip.
func (i *intake) rest() []byte { return i.buf[i.off:] }

func (i *intake) waiting() int { return len(i.buf) - i.off }

func (i *intake) skip(n int) {
	i.off += n
	if i.off == len(i.buf) {
		i.release()
	}
}

func (i *intake) release() {
	freeChunk(i.mem, i.buf)
	i.buf, i.off = nil, 0
}
