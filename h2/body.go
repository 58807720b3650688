package h2

import "io"

// Body is the body of a request. It belongs to the handler, on its core, until the handler returns.
//
// What arrives is kept until it is read, up to the stream's flow-control window (Limits.StreamWindowMax); the
// window is given back as the handler reads, so a slow handler slows its peer down.
type Body struct {
	s *stream
	// chunks[head:] hold what was received and not read. All but the last are full.
	chunks []bodyChunk
	head   int
	size   int // octets in chunks
	// into is the buffer of the task parked in Read: what arrives goes straight there. got counts it.
	into []byte
	got  int
	// lent counts the octets of the chunk that WriteTo took out.
	lent int

	ended   bool // the peer sent END_STREAM
	closed  bool // nobody reads any more
	waiting bool // a task is parked for more
}

type bodyChunk struct {
	p    []byte // pooled
	r, w int
}

// Read reads the next octets of the body. It parks the task until there are some (task). The error is io.EOF at the
// end, after which the request's Trailers are complete; a *StreamError or *ConnectionError when stream or
// connection is over; or the reason why the task was canceled.
func (b *Body) Read(p []byte) (int, error) {
	if err := b.s.task.check("Body.Read"); err != nil {
		return 0, err
	}
	if n := b.take(p); n > 0 || len(p) == 0 {
		return n, nil
	}
	for {
		if err := b.unreadable(); err != nil {
			return 0, err
		}
		b.into = p
		err := b.park()
		n := b.got
		b.into, b.got = nil, 0
		if n > 0 {
			b.credit(n)
			return n, nil
		}
		if n = b.take(p); n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// WriteTo writes the rest of the body to w, from the memory into which it was received (task). io.Copy uses it.
func (b *Body) WriteTo(w io.Writer) (total int64, err error) {
	if err := b.s.task.check("Body.WriteTo"); err != nil {
		return 0, err
	}
	for {
		for b.size > 0 {
			n, err := b.writeChunk(w)
			total += int64(n)
			if err != nil {
				return total, err
			}
		}
		switch err := b.unreadable(); err {
		case nil:
		case io.EOF:
			return total, nil
		default:
			return total, err
		}
		if err := b.park(); err != nil && b.size == 0 {
			return total, err
		}
	}
}

func (b *Body) park() error {
	b.waiting = true
	err := b.s.park(sideRead)
	b.waiting = false
	return err
}

// writeChunk writes the first chunk to w, which may park: meanwhile the chunk is out of the queue.
func (b *Body) writeChunk(w io.Writer) (int, error) {
	k := b.chunks[b.head]
	b.pop()
	b.lent = k.w - k.r
	b.size -= b.lent
	b.s.parked++ // keeps the stream out of the pool, like a park in it
	defer b.endLent(k.p)
	n, err := w.Write(k.p[k.r:k.w])
	if err == nil && n < k.w-k.r {
		err = io.ErrShortWrite
	}
	return n, err
}

// endLent runs deferred, because w is the user's.
func (b *Body) endLent(chunk []byte) {
	b.s.parked--
	b.s.c.pool.freeChunk(chunk)
	b.credit(b.lent)
	b.lent = 0
}

// unreadable returns why there is nothing to wait for, nil if there is. It asks the client to go on if it waits to
// be asked (RFC 9110 section 10.1.1).
func (b *Body) unreadable() error {
	s := b.s
	switch {
	case s.c == nil || !s.handling:
		return ErrHandlerReturned
	case s.err != nil:
		return s.err
	case b.ended:
		return io.EOF
	case b.waiting:
		return errTwoReaders
	}
	if s.expect {
		s.expect = false
		s.res.sendContinue()
	}
	return nil
}

// take copies from the chunks.
func (b *Body) take(p []byte) (n int) {
	for b.size > 0 && n < len(p) {
		k := &b.chunks[b.head]
		c := copy(p[n:], k.p[k.r:k.w])
		k.r += c
		n += c
		b.size -= c
		if k.r == k.w {
			b.s.c.pool.freeChunk(k.p)
			b.pop()
		}
	}
	if n > 0 {
		b.credit(n)
	}
	return n
}

func (b *Body) pop() {
	b.chunks[b.head] = bodyChunk{}
	if b.head++; b.head == len(b.chunks) {
		b.chunks, b.head = b.chunks[:0], 0
	}
}

// credit gives n read octets back to the windows. A stream that is over gave everything back when it ended.
func (b *Body) credit(n int) {
	if s := b.s; s.c != nil && !b.closed {
		s.credit(n)
	}
}

// push takes what was received. p belongs to the caller.
func (b *Body) push(p []byte) {
	s := b.s
	s.expect = false // the client did not wait
	if b.closed {
		s.credit(len(p))
		return
	}
	if b.size == 0 && b.got < len(b.into) {
		n := copy(b.into[b.got:], p)
		b.got += n
		p = p[n:]
	}
	for len(p) > 0 {
		k := b.room(len(p))
		n := copy(k.p[k.w:], p)
		k.w += n
		b.size += n
		p = p[n:]
	}
	s.task.wake(sideRead)
}

// room returns the last chunk, with room in it for some of n octets. Small bodies take small chunks; the memory is
// at most the window plus one chunk.
func (b *Body) room(n int) *bodyChunk {
	if last := len(b.chunks) - 1; last >= b.head {
		if k := &b.chunks[last]; k.w < len(k.p) {
			return k
		}
	}
	size := bodyChunkMax
	if n <= bodyChunkMin && b.size == 0 {
		size = bodyChunkMin
	}
	if b.head > 0 && len(b.chunks) == cap(b.chunks) {
		b.chunks = b.chunks[:copy(b.chunks, b.chunks[b.head:])]
		b.head = 0
	}
	b.chunks = append(b.chunks, bodyChunk{p: b.s.c.pool.chunk(size)})
	return &b.chunks[len(b.chunks)-1]
}

// discard drops what was not read and gives it back to the windows, now and from now on.
func (b *Body) discard() {
	if b.closed {
		return
	}
	b.closed = true
	s := b.s
	for ; b.head < len(b.chunks); b.pop() {
		s.c.pool.freeChunk(b.chunks[b.head].p)
	}
	if n := b.size + b.got + b.lent; n > 0 {
		b.size = 0
		s.credit(n)
	}
}

func (b *Body) reset() {
	chunks := b.chunks[:0]
	if cap(chunks) > fieldsPooledMax {
		chunks = nil
	}
	*b = Body{s: b.s, chunks: chunks}
}
