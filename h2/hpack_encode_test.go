package h2

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

func newEncoder(l Limits) *blockEncoder {
	l = l.withDefaults()
	e := &blockEncoder{}
	e.init(&l)
	return e
}

// encoderPeer decodes what a blockEncoder writes, with a table of the size its SETTINGS allow.
type encoderPeer struct {
	dec  *hpack.Decoder
	list []string
}

func newEncoderPeer() *encoderPeer {
	p := &encoderPeer{}
	p.dec = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		text := f.Name + ": " + f.Value
		if f.Sensitive {
			text += " (sensitive)"
		}
		p.list = append(p.list, text)
	})
	return p
}

func (p *encoderPeer) decode(block []byte) (string, error) {
	p.list = nil
	_, err := p.dec.Write(block)
	if err == nil {
		err = p.dec.Close()
	}
	return strings.Join(p.list, "\n"), err
}

// TestBlockEncoderBytes holds the wire form: what is indexed, what never touches the table.
func TestBlockEncoderBytes(t *testing.T) {
	e := newEncoder(Limits{})
	for _, c := range []struct {
		name  string
		write func()
		want  string
	}{
		{"status of the static table", func() {
			e.status(200)
			e.status(204)
			e.status(206)
			e.status(304)
			e.status(400)
			e.status(404)
			e.status(500)
		},
			"\x88\x89\x8a\x8b\x8c\x8d\x8e"},
		{"another status: literal without indexing", func() { e.status(418) }, "\x08\x03418"},
		{"content-length", func() { e.contentLength(0); e.contentLength(13) }, "\x0f\x0d\x010\x0f\x0d\x0213"},
		{"date: name of the static table, not indexed", func() { e.field("date", "now") }, "\x0f\x12\x03now"},
		{"a name that is in no table, not indexed", func() { e.field("grpc-message", "x") }, "\x00\x0cgrpc-message\x01x"},
		{"never indexed", func() { e.sensitive("set-cookie", "a=b"); e.sensitive("key", "k") }, "\x1f\x28\x03a=b\x10\x03key\x01k"},
	} {
		e.begin(nil)
		c.write()
		if got := string(e.end()); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if e.enc != nil {
		t.Error("an encoder with a table was made for fields that do not repeat")
	}
	for i, want := range []bool{false, true} { // a stable field costs one octet the second time
		e.begin(nil)
		e.field("content-type", "text/plain")
		if p := e.end(); (len(p) == 1) != want {
			t.Errorf("content-type, block %d: %q", i, p)
		}
	}
}

func TestStaticTable(t *testing.T) {
	var name string
	var at byte
	dec := hpack.NewDecoder(0, func(f hpack.HeaderField) { name = f.Name })
	found := 0
	for at = 1; at <= 61; at++ {
		if _, err := dec.Write([]byte{0x80 | at}); err != nil {
			t.Fatal(err)
		}
		if i := staticName(name); name[0] != ':' && i != at {
			t.Errorf("%s is %d, want %d", name, i, at)
		} else if i != 0 {
			found++
		}
	}
	if found != 61-14 || staticName("x-unknown") != 0 || staticName("") != 0 || staticName(":path") != 0 {
		t.Errorf("%d names found", found)
	}
}

// TestTableSizeUpdates: "the smallest maximum table size that occurs in that interval MUST be signaled ... The final
// maximum size is always signaled" (RFC 7541 section 4.2), at the beginning of the next block and nowhere else.
func TestTableSizeUpdates(t *testing.T) {
	const status = "\x88"
	for _, c := range []struct {
		name  string
		sizes []uint32
		want  string
	}{
		{"none", nil, status},
		{"larger than ours", []uint32{1<<32 - 1}, status},
		{"none at all", []uint32{0}, "\x20" + status},
		{"down and up", []uint32{0, 1 << 20}, "\x20\x3f\xe1\x1f" + status},
		{"down in steps", []uint32{200, 100}, "\x3f\x45" + status},
		{"down, down, up", []uint32{200, 100, 150}, "\x20\x3f\x77" + status},
	} {
		for _, warm := range []bool{false, true} {
			e, peer := newEncoder(Limits{}), newEncoderPeer()
			if warm {
				e.begin(nil)
				e.field("x-a", "b")
				peer.decode(e.end())
			}
			for _, n := range c.sizes {
				e.setPeerTableSize(n)
			}
			e.begin(nil)
			e.status(200)
			p := e.end()
			if string(p) != c.want {
				t.Errorf("%s, warm %v: %q, want %q", c.name, warm, p, c.want)
			}
			peer.decode(p)
			for range 2 {
				e.begin(nil)
				e.status(404)
				e.field("x-a", "b")
				if got, err := peer.decode(e.end()); err != nil || got != ":status: 404\nx-a: b" {
					t.Errorf("%s, warm %v: then %q, %v", c.name, warm, got, err)
				}
			}
		}
	}
	e := newEncoder(Limits{EncoderTableMax: -1})
	e.begin(nil)
	e.field("x-a", "b")
	if p := e.end(); string(p) != "\x20\x00\x03x-a\x01b" || e.enc != nil {
		t.Errorf("without a table: %q", p)
	}
}

// TestEncoderRoundTrip: whatever is written, and however the peer changes its table, x/net's decoder reads it.
func TestEncoderRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	names := []string{"content-type", "server", "date", "etag", "x-long-name-of-a-field", "set-cookie", "vary", "a", "grpc-status"}
	for range 100 {
		e, peer := newEncoder(Limits{}), newEncoderPeer()
		for block := range 40 {
			if rnd.IntN(5) == 0 {
				e.setPeerTableSize(uint32(rnd.IntN(3)) * uint32(rnd.IntN(3000)))
			}
			var want []string
			e.begin([]byte("kept"))
			code := 100 + rnd.IntN(900)
			e.status(code)
			want = append(want, fmt.Sprintf(":status: %d", code))
			for range rnd.IntN(8) {
				name, value := names[rnd.IntN(len(names))], strings.Repeat("v", rnd.IntN(4)*rnd.IntN(200)) // some above every limit
				if rnd.IntN(6) == 0 {
					e.sensitive(name, value)
					value += " (sensitive)"
				} else {
					e.field(name, value)
				}
				want = append(want, name+": "+value)
			}
			n := rnd.Int64()
			e.contentLength(n)
			want = append(want, fmt.Sprintf("content-length: %d", n))
			p := e.end()
			got, err := peer.decode(p[4:])
			if string(p[:4]) != "kept" || err != nil || got != strings.Join(want, "\n") {
				t.Fatalf("block %d: %v\n%s\nwant\n%s", block, err, got, strings.Join(want, "\n"))
			}
		}
	}
}

func encodeResponse(e *blockEncoder, dst []byte, i int) []byte {
	e.begin(dst)
	e.status(200)
	e.field("content-type", "text/plain; charset=utf-8")
	e.contentLength(int64(i))
	e.field("server", "percore")
	return e.end()
}

func TestBlockEncoderAllocatesNothing(t *testing.T) {
	e := newEncoder(Limits{})
	dst := make([]byte, 0, 4096)
	i := 0
	if n := testing.AllocsPerRun(100, func() {
		i++
		encodeResponse(e, dst, i)
		e.begin(dst)
		e.field("date", "Sat, 21 Nov 2026 04:06:40 GMT")
		e.sensitive("set-cookie", "secret")
		e.end()
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkEncodeResponse(b *testing.B) {
	e := newEncoder(Limits{})
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		encodeResponse(e, dst, i)
	}
}
