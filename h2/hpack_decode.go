package h2

import (
	"errors"

	"golang.org/x/net/http2/hpack"
)

// fieldSink takes the fields of a block in their order. The strings stay valid as long as they are referenced.
type fieldSink interface {
	field(name, value string)
}

var (
	errCompression    = connFault(ErrCodeCompression, "malformed HPACK field block")
	errBlockTruncated = connFault(ErrCodeCompression, "field block ends within a field")
	errTableUpdate    = connFault(ErrCodeCompression, "HPACK table size update after a field, or above the size we advertised")
	errTableUpdateDue = connFault(ErrCodeCompression, "field block without the HPACK table size update that must follow our smaller table size")
	errContinuations  = connFault(ErrCodeEnhanceYourCalm, "too many CONTINUATION frames in a field block")
	errBlockBytes     = connFault(ErrCodeEnhanceYourCalm, "field block is far beyond the header limits")
)

// blockDecoder turns field blocks into fields: begin, write for each fragment, end. All blocks of a connection
// must pass through it in their order, also those of refused or reset streams (with a nil sink), or the HPACK
// tables of both sides part (RFC 9113 section 4.3).
//
//	HEADERS ----> scan: whole representations --> hpack.Decoder --> emit: counts bytes --> sink
//	CONTINUATION  counts fields, table updates                      too big: sink is cut off
//	              a cut one waits in carry
//
// The scan walks the representations without decoding them. It keeps hpack.Decoder from ever storing a cut one
// (its buffer would stay with an idle connection), lets a bomb of one-octet references fail before it costs
// anything, and knows where a table size update stands. The decoder is made with the first block.
type blockDecoder struct {
	dec  *hpack.Decoder
	sink fieldSink

	bytesMax, fieldsMax, continuationsMax int

	bytes     int // name + value + 32 of the fields so far
	emitted   int // fields that came out
	scanned   int // fields whose representation was seen
	encoded   int // octets of the block
	fragments int // HEADERS and CONTINUATION frames
	tooBig    bool
	carry     []byte // a cut representation; nil outside of a block

	paths    *pathCache // nil: none
	latest   string     // the value that came out last
	pathAt   int        // where in the bytes being scanned the first :path literal for the cache begins, -1: none
	pathSize int

	tableMax     uint32 // the size we advertised
	tableAllowed uint32 // the size the peer may choose now
	tableSize    uint32 // the size it chose
	updateDue    bool   // the next block must begin with an update
}

// init sets the limits and the advertised table size. A table smaller than the initial 4096 counts only once the
// peer has acknowledged our SETTINGS.
func (d *blockDecoder) init(l *Limits) {
	tableMax := uint32(max(0, l.DecoderTableMax))
	*d = blockDecoder{
		bytesMax: l.HeaderBytesMax, fieldsMax: l.HeaderFieldsMax, continuationsMax: l.ContinuationsMax,
		tableMax: tableMax, tableAllowed: max(tableMax, headerTableInit), tableSize: headerTableInit,
	}
}

// settingsAcked says that the peer acknowledged our SETTINGS. "This dynamic table size update MUST occur at the
// beginning of the first field block following the change" (RFC 7541 section 4.2).
func (d *blockDecoder) settingsAcked() {
	d.tableAllowed = d.tableMax
	d.updateDue = d.tableSize > d.tableMax
}

// begin starts a block. A nil sink decodes for the table's sake only.
func (d *blockDecoder) begin(sink fieldSink) {
	if d.dec == nil {
		d.dec = hpack.NewDecoder(headerTableInit, d.emit)
		d.dec.SetMaxStringLength(excessFactor * d.bytesMax)
	}
	d.sink = sink
	d.bytes, d.emitted, d.scanned, d.encoded, d.fragments, d.tooBig = 0, 0, 0, 0, 0, false
}

// write decodes the fragment of a HEADERS or CONTINUATION frame; it does not keep it. The error is a *connError.
func (d *blockDecoder) write(fragment []byte) error {
	d.encoded += len(fragment)
	d.fragments++
	if d.fragments-1 > d.continuationsMax {
		return errContinuations
	}
	if d.encoded > 2*d.bytesMax {
		return errBlockBytes
	}
	p := fragment
	if len(d.carry) > 0 {
		d.carry = append(d.carry, fragment...)
		p = d.carry
	}
	from, to, err := d.scan(p)
	if err != nil {
		return err
	}
	if err = d.decode(p[from:to], d.pathAt-from); err != nil {
		return err
	}
	if to < len(p) || d.carry != nil {
		d.carry = append(d.carry[:0], p[to:]...)
	}
	return nil
}

// end completes the block. tooBig: it exceeded a header limit, the sink has seen only a part of its fields, but
// the connection may go on (status 431). The error is a *connError.
func (d *blockDecoder) end() (tooBig bool, err error) {
	cut := len(d.carry) > 0
	const forgetMin = 512 // a smaller block is not worth the time
	if d.carry != nil || d.encoded > forgetMin {
		d.forget()
	}
	d.sink, d.latest = nil, "" // an idle connection holds no value
	switch {
	case cut:
		return d.tooBig, errBlockTruncated
	case d.bytes > excessFactor*d.bytesMax: // by a path of the cache, which no decodeRun followed
		return d.tooBig, errBlockBytes
	case d.updateDue && d.encoded > 0:
		return d.tooBig, errTableUpdateDue
	case d.dec.Close() != nil:
		return d.tooBig, errCompression
	}
	return d.tooBig, nil
}

// anyField is a whole representation: an entry of the static table.
var anyField = []byte{0x82}

// forget gives up the bytes of the block. hpack.Decoder would hold on to the latest that it was given, all used up, until
// it gets others.
func (d *blockDecoder) forget() {
	d.carry = nil
	d.dec.SetEmitEnabled(false)
	_, _ = d.dec.Write(anyField) // it cannot fail
	d.dec.SetEmitEnabled(true)
}

// abort forgets an open block; the connection is over.
func (d *blockDecoder) abort() { d.carry, d.sink = nil, nil }

// decode decodes whole representations. pathAt counts from the start of p.
func (d *blockDecoder) decode(p []byte, pathAt int) error {
	if pathAt < 0 {
		return d.decodeRun(p)
	}
	err := d.decodeRun(p[:pathAt])
	if err == nil {
		err = d.decodePath(p[pathAt : pathAt+d.pathSize])
	}
	if err == nil {
		err = d.decodeRun(p[pathAt+d.pathSize:])
	}
	return err
}

func (d *blockDecoder) decodeRun(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_, err := d.dec.Write(p)
	switch {
	case d.bytes > excessFactor*d.bytesMax || errors.Is(err, hpack.ErrStringLength):
		return errBlockBytes
	case err != nil:
		return errCompression
	}
	return nil
}

// emit is the decoder's permanent callback.
func (d *blockDecoder) emit(f hpack.HeaderField) {
	d.bytes += len(f.Name) + len(f.Value) + 32 // RFC 7541 section 4.1
	d.emitted++
	d.latest = f.Value
	if d.bytes > d.bytesMax || d.emitted > d.fieldsMax {
		d.tooBig = true
		if d.bytes > excessFactor*d.bytesMax {
			d.dec.SetEmitEnabled(false) // for good: decode ends the connection
		}
		return
	}
	if d.sink != nil {
		d.sink.field(f.Name, f.Value)
	}
}

// scan finds what of p can be decoded: p[from:to] are whole representations of fields. It takes the table size
// updates before them itself, because hpack.Decoder refuses a second one (RFC 7541 section 4.2 allows two) and
// accepts one between fields while its table is empty.
func (d *blockDecoder) scan(p []byte) (from, to int, err error) {
	d.pathAt = -1
	for d.scanned == 0 && to < len(p) && p[to]&0xe0 == 0x20 {
		size, n := hpackInt(p[to:], 5)
		if n <= 0 {
			return from, to, incomplete(n)
		}
		if size > uint64(d.tableAllowed) {
			return from, to, errTableUpdate
		}
		d.tableSize, d.updateDue = uint32(size), false
		d.dec.SetMaxDynamicTableSize(d.tableSize)
		to += n
		from = to
	}
	if d.updateDue && to < len(p) {
		return from, to, errTableUpdateDue
	}
	for to < len(p) {
		n, err := scanField(p[to:])
		if err != nil || n == 0 {
			return from, to, err
		}
		if d.scanned++; d.scanned > excessFactor*d.fieldsMax {
			return from, to, errBlockBytes
		}
		if d.paths != nil && d.pathAt < 0 && isPathLiteral(p[to:to+n]) {
			d.pathAt, d.pathSize = to, n
		}
		to += n
	}
	return from, to, nil
}

// scanField returns the length of the field representation at the start of p, 0 if it is cut (RFC 7541 section 6).
func scanField(p []byte) (n int, err error) {
	b := p[0]
	if b&0x80 != 0 { // indexed, section 6.1
		if b != 0xff {
			return 1, nil
		}
		_, n = hpackInt(p, 7)
		return max(n, 0), incomplete(n)
	}
	prefix := uint(4) // without indexing and never indexed, sections 6.2.2 and 6.2.3
	if b&0x40 != 0 {  // with incremental indexing, section 6.2.1
		prefix = 6
	} else if b&0x20 != 0 {
		return 0, errTableUpdate
	}
	index, n := hpackInt(p, prefix)
	if n <= 0 {
		return 0, incomplete(n)
	}
	strings := 1
	if index == 0 {
		strings = 2
	}
	for ; strings > 0; strings-- {
		length, c := hpackInt(p[n:], 7)
		if c <= 0 {
			return 0, incomplete(c)
		}
		if n += c; length > uint64(len(p)-n) {
			return 0, nil
		}
		n += int(length)
	}
	return n, nil
}

// hpackInt reads an integer with a prefix of that many bits (RFC 7541 section 5.1). n is the number of octets it
// takes, 0 if it is cut, -1 if it is longer than any we accept.
func hpackInt(p []byte, prefix uint) (v uint64, n int) {
	if len(p) == 0 {
		return 0, 0
	}
	mask := uint64(1)<<prefix - 1
	if v = uint64(p[0]) & mask; v < mask {
		return v, 1
	}
	const octetsMax = 6 // enough for 2^32
	for n = 1; n < len(p) && n < octetsMax; n++ {
		v += uint64(p[n]&0x7f) << (7 * uint(n-1))
		if p[n]&0x80 == 0 {
			return v, n + 1
		}
	}
	if n == octetsMax {
		return 0, -1
	}
	return 0, 0
}

// incomplete tells a number that is too long from one that is only cut.
func incomplete(n int) error {
	if n < 0 {
		return errCompression
	}
	return nil
}
