package h2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// fieldList is a fieldSink that keeps everything.
type fieldList []string

func (l *fieldList) field(name, value string) { *l = append(*l, name+": "+value) }

// encodeWith encodes name, value pairs with x/net's encoder.
func encodeWith(enc *hpack.Encoder, b *bytes.Buffer, pairs ...string) []byte {
	b.Reset()
	for i := 0; i < len(pairs); i += 2 {
		enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return bytes.Clone(b.Bytes())
}

func newDecoder(l Limits) *blockDecoder {
	l = l.withDefaults()
	d := &blockDecoder{}
	d.init(&l)
	return d
}

// decodeBlock decodes the fragments of one block.
func decodeBlock(d *blockDecoder, fragments ...[]byte) (fields fieldList, tooBig bool, err error) {
	d.begin(&fields)
	for _, f := range fragments {
		p := bytes.Clone(f)
		err = d.write(p)
		for i := range p {
			p[i] = 0xee // a fragment must not be kept
		}
		if err != nil {
			return fields, false, err
		}
	}
	tooBig, err = d.end()
	return fields, tooBig, err
}

var sampleRequest = []string{":method", "GET", ":scheme", "https", ":path", "/a/long/path?with=query", ":authority",
	"example.com", "user-agent", "h2load nghttp2/1.52.0", "x", "", "cookie", strings.Repeat("c", 300)}

func TestBlockDecoderSplitAtEveryByte(t *testing.T) {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	first := encodeWith(enc, &b, sampleRequest...)
	second := encodeWith(enc, &b, sampleRequest...)
	want := fieldText(sampleRequest)
	for cut := range len(first) + 1 {
		d := newDecoder(Limits{})
		for _, block := range [][]byte{first, second} {
			at := min(cut, len(block))
			fields, tooBig, err := decodeBlock(d, block[:at], block[at:])
			if err != nil || tooBig || strings.Join(fields, "\n") != want {
				t.Fatalf("cut %d: %q %v %v", cut, fields, tooBig, err)
			}
			if d.carry != nil || d.sink != nil {
				t.Fatalf("cut %d: memory is held between blocks", cut)
			}
		}
		if _, _, err := decodeBlock(newDecoder(Limits{}), first[:cut]); err != errBlockTruncated && err != nil {
			t.Fatalf("block of %d octets: %v", cut, err)
		}
	}
	if _, _, err := decodeBlock(newDecoder(Limits{}), first[:len(first)-1]); err != errBlockTruncated {
		t.Fatalf("truncated block: %v", err)
	}
}

func fieldText(pairs []string) string {
	var list fieldList
	for i := 0; i < len(pairs); i += 2 {
		list.field(pairs[i], pairs[i+1])
	}
	return strings.Join(list, "\n")
}

// TestBlockDecoderLimits: at the limit, one above it, and where the connection is cut off.
func TestBlockDecoderLimits(t *testing.T) {
	const indexed = "\x82" // :method: GET, 42 octets of header list
	limits := Limits{HeaderBytesMax: 4096, HeaderFieldsMax: 50, ContinuationsMax: 3}
	field := func(n int) string { // a field of n octets in the list
		return "\x00\x01x\x7f" + string(varint(n-33-127)) + strings.Repeat("v", n-33)
	}
	empty := func(n int) (fragments []string) { return make([]string, n) }
	for _, c := range []struct {
		name   string
		blocks []string // fragments
		fields int
		tooBig bool
		want   error
	}{
		{"fields at the limit", []string{strings.Repeat(indexed, 50)}, 50, false, nil},
		{"one field more", []string{strings.Repeat(indexed, 51)}, 50, true, nil},
		{"four times the fields", []string{strings.Repeat(indexed, 200)}, 50, true, nil},
		{"one more", []string{strings.Repeat(indexed, 201)}, 0, false, errBlockBytes},
		{"bytes at the limit", []string{field(4096)}, 1, false, nil},
		{"one octet more", []string{field(4097)}, 0, true, nil},
		{"CONTINUATIONs at the limit", append([]string{indexed}, empty(3)...), 1, false, nil},
		{"one CONTINUATION more, an empty one", append([]string{indexed}, empty(4)...), 1, false, errContinuations},
		{"8192 octets encoded", []string{field(4123), field(4123)}, 0, true, nil}, // field(4123) takes 4096
		{"8193 octets encoded", []string{field(4123), field(4123), indexed}, 0, false, errBlockBytes},
	} {
		d := newDecoder(limits)
		var fragments [][]byte
		for _, b := range c.blocks {
			fragments = append(fragments, []byte(b))
		}
		fields, tooBig, err := decodeBlock(d, fragments...)
		if err != c.want || tooBig != c.tooBig || len(fields) != c.fields {
			t.Errorf("%s: %d fields, tooBig %v, %v", c.name, len(fields), tooBig, err)
		}
	}
}

func varint(v int) (p []byte) {
	for ; v >= 0x80; v >>= 7 {
		p = append(p, byte(v)|0x80)
	}
	return append(p, byte(v))
}

// TestBombOfTableReferences: one large entry in the table, referred to by single octets, ends the connection when it
// exceeds four times the bytes, and the table stays in step for a block that is only too big.
func TestBombOfTableReferences(t *testing.T) {
	limits := Limits{HeaderBytesMax: 8192}
	entry := "\x40\x01x\x7f" + string(varint(3000-127)) + strings.Repeat("v", 3000)
	d := newDecoder(limits)
	if _, tooBig, err := decodeBlock(d, []byte(entry)); tooBig || err != nil {
		t.Fatal(tooBig, err)
	}
	fields, tooBig, err := decodeBlock(d, []byte(strings.Repeat("\xbe", 10)+"\x40\x01y\x01z"))
	if len(fields) != 2 || !tooBig || err != nil {
		t.Fatalf("%d fields, %v, %v", len(fields), tooBig, err)
	}
	if fields, tooBig, err = decodeBlock(d, []byte("\xbe")); len(fields) != 1 || fields[0] != "y: z" || tooBig || err != nil {
		t.Fatalf("out of step: %q, %v, %v", fields, tooBig, err)
	}
	if _, _, err = decodeBlock(d, []byte(strings.Repeat("\xbf", 11))); err != errBlockBytes {
		t.Fatalf("bomb: %v", err)
	}
}

// TestExcessByCachedPath: the field that exceeds four times the bytes may be one that hpack.Decoder does not see.
func TestExcessByCachedPath(t *testing.T) {
	const path = "\x04\x05/path" // 42 octets of header list
	d := newDecoder(Limits{HeaderBytesMax: 1024})
	d.paths = &pathCache{}
	for range 3 {
		if fields, _, err := decodeBlock(d, []byte(path)); err != nil || len(fields) != 1 {
			t.Fatal(fields, err)
		}
	}
	const entries = 96                            // of 42 octets: 4032 of 4096
	pad := "\x00\x01x\x01" + "y" + "\x00\x00\x00" // 34 and 32 octets make 4098 with the path, 4056 without
	block := strings.Repeat("\x82", entries-1) + pad + path
	if _, _, err := decodeBlock(d, []byte(block)); err != errBlockBytes {
		t.Errorf("got %v", err)
	}
}

func TestBlockDecoderRefuses(t *testing.T) {
	const entry = "\x40\x01x\x01y"
	for _, c := range []struct {
		clause string
		block  string
		want   error
	}{
		{"The index value of 0 ... MUST be treated as a decoding error (RFC 7541 6.1)", "\x80", errCompression},
		{"Indices strictly greater than the sum of the lengths of both tables (RFC 7541 2.3.3)", "\xbe", errCompression},
		{"the same for the name of a literal", "\x7f\x00\x01x", errCompression},
		{"Excessively large integer encodings (RFC 7541 5.1)", "\xff\x80\x80\x80\x80\x80\x80\x01", errCompression},
		{"A Huffman-encoded string literal containing the EOS symbol (RFC 7541 5.2)", "\x00\x84\xff\xff\xff\xff\x01x", errCompression},
		{"A padding strictly longer than 7 bits (RFC 7541 5.2)", "\x00\x82\x07\xff\x01x", errCompression},
		{"This dynamic table size update MUST occur at the beginning of the first header block (RFC 7541 4.2)", entry + "\x20", errTableUpdate},
		{"the same while the table is empty", "\x82\x20", errTableUpdate},
		{"The new maximum size MUST be lower than or equal to the limit (RFC 7541 6.3)", "\x3f\xe2\x1f", errTableUpdate},
		{"the limit itself", "\x3f\xe1\x1f\x82", nil},
		{"at most two dynamic table size updates (RFC 7541 4.2)", "\x20\x3f\xe1\x1f\x82", nil},
		{"updates alone", "\x20", nil},
		{"an update that is cut", "\x3f\xe1", errBlockTruncated},
		{"a literal that is cut", "\x40\x01x", errBlockTruncated},
		{"an empty block", "", nil},
	} {
		for cut := range len(c.block) + 1 {
			d := newDecoder(Limits{})
			if _, _, err := decodeBlock(d, []byte(c.block[:cut]), []byte(c.block[cut:])); err != c.want {
				t.Errorf("%s, cut %d: %v", c.clause, cut, err)
			}
		}
	}
	d := newDecoder(Limits{})
	decodeBlock(d, []byte(entry))
	if fields, _, err := decodeBlock(d, []byte("\x3f\x45\x3f\xe1\x1f\xbe")); err != nil || len(fields) != 1 {
		t.Errorf("two updates that keep an entry: %q %v", fields, err)
	}
}

// TestSmallerTableNeedsUpdate: "MUST be treated as a connection error of type COMPRESSION_ERROR" if a block after the
// acknowledgment of a smaller table does not begin with an update (RFC 9113 section 4.3.1).
func TestSmallerTableNeedsUpdate(t *testing.T) {
	start := func() *blockDecoder {
		d := newDecoder(Limits{DecoderTableMax: 100})
		if _, _, err := decodeBlock(d, []byte("\x3f\xe1\x1f\x82")); err != nil {
			t.Fatalf("4096 before the acknowledgment: %v", err)
		}
		d.settingsAcked()
		return d
	}
	for block, want := range map[string]error{
		"\x82": errTableUpdateDue, "\x3f\x45\x82": nil, "\x20\x82": nil, "\x3f\x46\x82": errTableUpdate,
	} {
		d := start()
		if _, _, err := decodeBlock(d, []byte(block)); err != want {
			t.Errorf("block %x: %v, want %v", block, err, want)
		}
		if want == nil {
			if _, _, err := decodeBlock(d, []byte("\x82")); err != nil {
				t.Errorf("block after the update: %v", err)
			}
		}
	}
}

// FuzzBlockDecoder: split or not, the same comes out; what is accepted is what x/net's decoder makes of it; what
// reaches the sink is within the limits.
func FuzzBlockDecoder(f *testing.F) {
	var b bytes.Buffer
	f.Add(encodeWith(hpack.NewEncoder(&b), &b, sampleRequest...), uint(7))
	f.Add([]byte("\x20\x3f\xe1\x1f\x82\x40\x01x\x01y\xbe"), uint(2))
	f.Add(bytes.Repeat([]byte("\x82"), 300), uint(100))
	f.Add([]byte("\x00\x84\xff\xff\xff\xff\x01x"), uint(1))
	f.Add([]byte("\x04\x82\x60\x7f\x04\x82\x60\x7f\x04\x82\x60\x7f"), uint(1))
	f.Fuzz(func(t *testing.T, p []byte, cut uint) {
		limits := Limits{HeaderBytesMax: 2048, HeaderFieldsMax: 30}
		cut %= uint(len(p) + 1)
		whole, tooBig, err := decodeBlock(newDecoder(limits), p)
		parts, partsBig, partsErr := decodeBlock(newDecoder(limits), p[:cut], p[cut:])
		if (err == nil) != (partsErr == nil) || err == nil && (tooBig != partsBig || fmt.Sprint(whole) != fmt.Sprint(parts)) {
			t.Fatalf("whole: %q %v %v\nsplit: %q %v %v", whole, tooBig, err, parts, partsBig, partsErr)
		}
		cached := newDecoder(limits)
		cached.paths = &pathCache{}
		for range 3 {
			if fields, big, cachedErr := decodeBlock(cached, p); cachedErr == nil && err == nil && p != nil && fullyStateless(p) &&
				(big != tooBig || fmt.Sprint(fields) != fmt.Sprint(whole)) {
				t.Fatalf("with the path cache: %q, without: %q", fields, whole)
			}
		}
		checkFields(t, p, whole, tooBig, err)
	})
}

// fullyStateless reports whether a block without references to the dynamic table can be decoded again and again.
func fullyStateless(p []byte) bool {
	for at := 0; at < len(p); {
		n, err := scanField(p[at:])
		if err != nil || n == 0 || p[at]&0xc0 == 0x40 || p[at]&0x80 != 0 && p[at] >= 0xbe {
			return false
		}
		at += n
	}
	return true
}

func checkFields(t *testing.T, p []byte, fields fieldList, tooBig bool, err error) {
	size := 0
	for _, f := range fields {
		size += len(f) - 2 + 32
	}
	if len(fields) > 30 || size > 2048 {
		t.Fatalf("%d fields of %d octets reached the sink", len(fields), size)
	}
	if err != nil || tooBig {
		return
	}
	var want fieldList
	dec := hpack.NewDecoder(4096, func(f hpack.HeaderField) { want.field(f.Name, f.Value) })
	_, err = dec.Write(p)
	if err == nil {
		err = dec.Close()
	}
	if err != nil && !strings.Contains(err.Error(), "dynamic table size update MUST occur") {
		t.Fatalf("accepted %q, x/net says %v", fields, err)
	}
	if err == nil && fmt.Sprint(want) != fmt.Sprint(fields) {
		t.Fatalf("got %q, x/net %q", fields, want)
	}
}

// countSink counts.
type countSink int

func (c *countSink) field(string, string) { *c++ }

func newIndexedBlock(t testing.TB) (*blockDecoder, []byte) {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	request := []string{":method", "GET", ":scheme", "http", ":path", "/plaintext", ":authority", "127.0.0.1:8080", "user-agent", "h2load nghttp2/1.52.0"}
	d := newDecoder(Limits{})
	if _, _, err := decodeBlock(d, encodeWith(enc, &b, request...)); err != nil {
		t.Fatal(err)
	}
	return d, encodeWith(enc, &b, request...)
}

func TestBlockDecoderAllocatesNothing(t *testing.T) {
	d, block := newIndexedBlock(t)
	var sink countSink
	if n := testing.AllocsPerRun(100, func() {
		d.begin(&sink)
		if d.write(block) != nil {
			t.Fatal("write")
		}
		d.end()
	}); n != 0 || sink == 0 {
		t.Fatalf("%v allocations, %d fields", n, sink)
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	d, block := newIndexedBlock(b)
	p := appendHeaders(nil, 1, block, true, frameSizeMin)
	var r frameReader
	r.init(frameSizeMin, nil, nil)
	var sink countSink
	b.ReportAllocs()
	for b.Loop() {
		f, _, _, _ := r.next(p)
		fragment, _ := loadHeaders(f.h, f.payload)
		d.begin(&sink)
		d.write(fragment)
		d.end()
	}
}
