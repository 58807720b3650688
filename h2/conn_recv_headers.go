package h2

import "time"

// fieldBlock is the field block that is being received: HEADERS and its CONTINUATION frames. Nothing else can
// come between them (RFC 9113 section 4.3; the frameReader sees to it), so there is at most one.
type fieldBlock struct {
	id        uint32
	endStream bool
	trailers  bool
	s         *stream // nil: the block is decoded for the HPACK table's sake only
	err       error   // the stream error to answer with once the block is complete
}

var errRefused = streamFault(ErrCodeRefusedStream, "more concurrent streams than SETTINGS_MAX_CONCURRENT_STREAMS")

// recvHeaders begins a field block: a request, trailers, or something to be decoded and dropped.
func (c *conn) recvHeaders(now time.Duration, f *frame) error {
	fragment, err := loadHeaders(f.h, f.payload)
	if _, fatal := err.(*connError); fatal {
		return err
	}
	b := &c.block
	*b = fieldBlock{id: f.h.StreamID, endStream: f.h.Flags.has(FlagEndStream), err: err}
	if b.id > c.history.highest {
		err = c.openBlock(b)
	} else {
		err = c.reopenBlock(b)
	}
	if err != nil {
		return err
	}
	switch {
	case b.s == nil || b.err != nil:
		c.dec.begin(nil)
	case b.trailers:
		c.dec.begin(b.s.req.beginTrailers())
	default:
		c.dec.begin(b.s.req.begin())
	}
	return c.continueBlock(now, fragment, f.h.Flags.has(FlagEndHeaders))
}

// openBlock prepares the HEADERS frame that opens a stream.
func (c *conn) openBlock(b *fieldBlock) error {
	if b.id&1 == 0 {
		return errEvenStream
	}
	c.history.open(b.id)
	switch {
	case b.id > c.lastMax:
		// After the last GOAWAY: it tells the client that this stream is not served.
		c.history.close(b.id, stateClosedLocalReset)
		return nil
	case c.active >= c.cfg.limits.StreamsMax:
		if b.err == nil {
			b.err = errRefused
		}
		c.pool.metrics.Refused++
		return nil
	}
	b.s = c.newStream(b.id)
	return b.s.state.recvHeaders(b.endStream)
}

// reopenBlock prepares HEADERS on a stream that was seen before: trailers, or too late.
func (c *conn) reopenBlock(b *fieldBlock) error {
	b.trailers = true
	if b.s = c.streams.get(b.id); b.s != nil {
		if err := b.s.state.recvHeaders(b.endStream); err != nil {
			b.err = err
		}
		return nil
	}
	state, err := c.late(b.id)
	if err != nil {
		return err
	}
	switch err := state.recvHeaders(b.endStream).(type) {
	case *connError:
		return err
	case *streamError:
		b.err = err
	}
	return nil
}

// continueBlock decodes a fragment and, with the last one, acts on the block.
func (c *conn) continueBlock(now time.Duration, fragment []byte, last bool) error {
	if err := c.dec.write(fragment); err != nil || !last {
		return err
	}
	tooBig, err := c.dec.end()
	if err != nil {
		return err
	}
	b := c.block
	c.block = fieldBlock{}
	switch {
	case b.trailers && b.s != nil:
		return b.s.recvTrailers(now, &b, tooBig)
	case b.s != nil:
		return c.recvRequest(now, &b, tooBig)
	}
	if b.err != nil {
		c.fault(b.id, b.err)
	}
	return nil
}

// noteBlock remembers since when the peer keeps us waiting within a field block, or within any frame but DATA.
func (c *conn) noteBlock(now time.Duration) {
	if c.blockSince == 0 && (c.reader.blockOpen() || c.reader.phase == readPayload) {
		c.blockSince = now
		c.deadline = min(c.deadline, now+c.cfg.limits.HeaderBlockMax)
	}
}

// dropBlock gives up the stream whose field block never became complete.
func (c *conn) dropBlock() {
	if s := c.block.s; s != nil && !c.block.trailers {
		s.state = stateClosedLocalReset
		s.letGo()
	}
	c.block = fieldBlock{}
}

// recvRequest serves the request whose field section is complete.
func (c *conn) recvRequest(now time.Duration, b *fieldBlock, tooBig bool) error {
	s := b.s
	c.lastID = b.id
	c.streams.put(s)
	if b.err == nil && !tooBig {
		b.err = s.req.finish(b.endStream)
	}
	if b.err != nil {
		c.fault(b.id, b.err)
		return nil
	}
	s.dataAt = now
	c.noteStream(now)
	if tooBig {
		c.pool.metrics.TooLarge++
		s.res.refuse(statusFieldsTooLarge)
		return nil
	}
	s.declared = s.req.ContentLength
	if b.endStream && s.declared > 0 {
		return errBodyShort
	}
	s.body.ended = b.endStream
	s.handling = true
	c.pool.metrics.Requests++
	s.task.start()
	return nil
}

// recvTrailers ends the request body with a trailer section.
func (s *stream) recvTrailers(now time.Duration, b *fieldBlock, tooBig bool) error {
	switch {
	case b.err != nil:
	case tooBig:
		b.err = errTrailersTooBig
	default:
		b.err = s.req.finishTrailers()
	}
	if b.err == nil {
		b.err = s.endBody(now)
	}
	if b.err != nil {
		s.c.fault(b.id, b.err)
	}
	return nil
}

// newStream takes a stream from the pool for id. It enters the table when its field section is complete.
func (c *conn) newStream(id uint32) *stream {
	s := c.pool.takeStream()
	s.c, s.id = c, id
	s.in.init(c.cfg.limits.StreamWindowMax)
	s.out.init(c.peer.InitialWindowSize)
	c.active++
	m := &c.pool.metrics
	m.Streams++
	m.StreamsOpen++
	return s
}
