package h2

import (
	"strconv"

	"golang.org/x/net/http2/hpack"
)

// blockEncoder writes field blocks (RFC 7541) at the end of the caller's bytes:
//
//	e.begin(dst); e.status(200); e.field("content-type", "text/plain"); dst = e.end()
//
// It has two pens for one block. Fields that do not repeat (date, etag, content-length and the like, long ones,
// sensitive ones) are written by the stateless appender below and never touch the dynamic table: they would push
// the stable ones out and cost the peer memory. Stable fields go through x/net's hpack.Encoder, made at the first
// one, with at most Limits.EncoderTableMax octets of table. Names must be lower case. Allocates nothing once the
// stable fields are in the table.
type blockEncoder struct {
	dst []byte
	enc *hpack.Encoder

	tableMax  uint32 // our own bound
	tableSize uint32 // what the peer's decoder will have after the update that is due
	tableMin  uint32 // the smallest size since the last block
	updateDue bool

	memos    [2]fieldMemo
	memoNext uint8
}

// fieldMemo is a field that is in a table and how it is written as an index. It holds until the next insertion or
// resize moves the dynamic table's indices. Most responses of a connection repeat the same one or two fields, and
// looking here is a tenth of the hashing that x/net's encoder does.
type fieldMemo struct {
	name, value string
	rep         [3]byte
	n           uint8
}

// init sets our own bound of the dynamic table.
func (e *blockEncoder) init(l *Limits) {
	*e = blockEncoder{tableMax: uint32(max(0, l.EncoderTableMax)), tableSize: headerTableInit, tableMin: headerTableInit}
	e.setPeerTableSize(headerTableInit)
}

// setPeerTableSize takes over SETTINGS_HEADER_TABLE_SIZE of the peer; a larger table than ours is not used.
func (e *blockEncoder) setPeerTableSize(size uint32) {
	size = min(size, e.tableMax)
	if size == e.tableSize {
		return
	}
	e.updateDue = true
	e.tableSize = size
	e.tableMin = min(e.tableMin, size)
	if e.enc != nil {
		e.resizeEncoder()
	}
}

// begin starts a block at the end of dst, which belongs to the encoder until end. A pending table size update
// comes first: "the smallest maximum table size that occurs in that interval MUST be signaled ... The final
// maximum size is always signaled" (RFC 7541 section 4.2). Where both are due we signal 0 for the smallest and begin
// with an empty table: x/net's decoder refuses a second update while its table holds anything.
func (e *blockEncoder) begin(dst []byte) {
	e.dst = dst
	if !e.updateDue {
		return
	}
	if e.tableMin < e.tableSize {
		if e.enc != nil {
			e.enc.SetMaxDynamicTableSize(0)
			e.resizeEncoder()
		}
		e.appendInt(0x20, 5, 0)
	}
	e.appendInt(0x20, 5, uint64(e.tableSize))
	e.tableMin, e.updateDue = e.tableSize, false
}

// end returns the caller's bytes with the block behind them.
func (e *blockEncoder) end() []byte {
	dst := e.dst
	e.dst = nil
	return dst
}

// status appends :status. REQUIRES: 100 <= code <= 999.
func (e *blockEncoder) status(code int) {
	if i := staticStatus(code); i != 0 {
		e.dst = append(e.dst, 0x80|i)
		return
	}
	const nameOnly = 8 // any :status entry of the static table gives the name
	e.dst = append(e.dst, nameOnly, 3, byte('0'+code/100%10), byte('0'+code/10%10), byte('0'+code%10))
}

// contentLength appends content-length.
func (e *blockEncoder) contentLength(n int64) {
	e.literalName(0, "content-length")
	at := len(e.dst)
	e.dst = strconv.AppendInt(append(e.dst, 0), n, 10)
	e.dst[at] = byte(len(e.dst) - at - 1) // at most 19 digits: the length is one octet, not Huffman coded
}

// field appends a field with a lower-case name.
func (e *blockEncoder) field(name, value string) {
	if e.tableSize == 0 || !repeats(name, value) {
		e.literalName(0, name)
		e.appendString(value)
		return
	}
	for i := range e.memos {
		if m := &e.memos[i]; m.n > 0 && m.name == name && m.value == value {
			e.dst = append(e.dst, m.rep[:m.n]...)
			return
		}
	}
	if e.enc == nil {
		e.openEncoder()
	}
	at := len(e.dst)
	// The sink never fails, and WriteField has no error of its own.
	_ = e.enc.WriteField(hpack.HeaderField{Name: name, Value: value})
	e.remember(name, value, e.dst[at:])
}

// remember keeps what x/net's encoder wrote if it is an index, and forgets everything if it was an insertion.
func (e *blockEncoder) remember(name, value string, written []byte) {
	const (
		indexed     = 0x80 // RFC 7541 section 6.1
		insertion   = 0x40 // section 6.2.1, the two upper bits are 01
		patternBits = 0xc0
	)
	switch {
	case written[0]&patternBits == insertion:
		e.memos = [len(e.memos)]fieldMemo{}
	case written[0]&indexed != 0 && len(written) <= len(fieldMemo{}.rep):
		m := &e.memos[e.memoNext]
		e.memoNext = (e.memoNext + 1) % uint8(len(e.memos))
		m.name, m.value, m.n = name, value, uint8(len(written))
		copy(m.rep[:], written)
	}
}

// sensitive appends a field that no table on the way may keep: a literal never indexed (RFC 7541 section 7.1.3).
func (e *blockEncoder) sensitive(name, value string) {
	const neverIndexed = 0x10
	e.literalName(neverIndexed, name)
	e.appendString(value)
}

func (e *blockEncoder) openEncoder() {
	e.enc = hpack.NewEncoder((*encoderSink)(e))
	if e.tableSize != headerTableInit {
		e.resizeEncoder()
	}
}

// resizeEncoder changes the table of x/net's encoder at once. It would announce the change before its own next
// field, which may be in the middle of a block; begin does that in the right place, so the announcement and the
// field that draws it out are dropped.
func (e *blockEncoder) resizeEncoder() {
	e.memos = [len(e.memos)]fieldMemo{}
	e.enc.SetMaxDynamicTableSize(e.tableSize)
	dst := e.dst
	_ = e.enc.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	e.dst = dst
}

// encoderSink is the io.Writer that x/net's encoder writes to.
type encoderSink blockEncoder

func (s *encoderSink) Write(p []byte) (int, error) {
	s.dst = append(s.dst, p...)
	return len(p), nil
}

// literalName appends the start of a literal that is not indexed: pattern is 0x00, or 0x10 for never.
func (e *blockEncoder) literalName(pattern byte, name string) {
	if i := staticName(name); i != 0 {
		e.appendInt(pattern, 4, uint64(i))
		return
	}
	e.dst = append(e.dst, pattern)
	e.appendString(name)
}

// appendInt appends an integer with a prefix of that many bits, RFC 7541 section 5.1.
func (e *blockEncoder) appendInt(pattern byte, prefix uint, v uint64) {
	limit := uint64(1)<<prefix - 1
	if v < limit {
		e.dst = append(e.dst, pattern|byte(v))
		return
	}
	e.dst = append(e.dst, pattern|byte(limit))
	for v -= limit; v >= 0x80; v >>= 7 {
		e.dst = append(e.dst, byte(v)|0x80)
	}
	e.dst = append(e.dst, byte(v))
}

// appendString appends a string literal, RFC 7541 section 5.2. Short ones are not Huffman coded: the few octets
// saved are worth less than the time, on both sides.
func (e *blockEncoder) appendString(s string) {
	const huffmanMin = 64
	if len(s) >= huffmanMin {
		if n := hpack.HuffmanEncodeLength(s); n < uint64(len(s)) {
			e.appendInt(0x80, 7, n)
			e.dst = hpack.AppendHuffmanString(e.dst, s)
			return
		}
	}
	e.appendInt(0, 7, uint64(len(s)))
	e.dst = append(e.dst, s...)
}

// repeats reports whether a field is likely to come again with the same value, and is worth a table entry.
func repeats(name, value string) bool {
	const indexedMax = 512
	if len(name)+len(value) > indexedMax {
		return false
	}
	switch name {
	case "age", "content-length", "content-location", "content-range", "date", "etag", "expires", "grpc-message",
		"last-modified", "location", "set-cookie", "authorization", "proxy-authorization", "x-request-id",
		"traceparent", "server-timing", "grpc-status-details-bin":
		return false
	}
	return true
}
