package h2

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

type listSink struct{ list []string }

func (s *listSink) field(name, value string) { s.list = append(s.list, name+"="+value) }

// pathBlock encodes a request as nghttp2 does: :path is a literal without indexing, Huffman coded.
func pathBlock(path string) []byte {
	b := []byte{0x82, 0x86, 0x04}
	b = append(b, 0x80|byte(hpack.HuffmanEncodeLength(path)))
	return append(hpack.AppendHuffmanString(b, path), 0x90) // accept-encoding: gzip, deflate
}

// TestPathCache compares a decoder that has the cache with one that has none, cut at every byte.
func TestPathCache(t *testing.T) {
	limits := Limits{}.withDefaults()
	cache := &pathCache{}
	decode := func(block []byte, cut int, paths *pathCache) string {
		var d blockDecoder
		d.init(&limits)
		d.paths = paths
		sink := &listSink{}
		d.begin(sink)
		for _, part := range [][]byte{block[:cut], block[cut:]} {
			if err := d.write(part); err != nil {
				return err.Error()
			}
		}
		if _, err := d.end(); err != nil {
			return err.Error()
		}
		return strings.Join(sink.list, " ") + fmt.Sprint(d.bytes, d.emitted)
	}
	for round := range 4 {
		for i := range 300 {
			block := pathBlock(fmt.Sprintf("/some/path/%d", i%(1+100*round)))
			if i == 7 {
				block[4] ^= 0xff // other characters, or no Huffman code at all
			}
			for cut := range block {
				if got, want := decode(block, cut, cache), decode(block, cut, nil); got != want {
					t.Fatalf("cut at %d: %q, want %q", cut, got, want)
				}
			}
		}
	}
}

// TestRepeatedPathAllocatesNothing: the first octets of each h2load request.
func TestRepeatedPathAllocatesNothing(t *testing.T) {
	limits := Limits{}.withDefaults()
	var d blockDecoder
	d.init(&limits)
	d.paths = &pathCache{}
	block := pathBlock("/plaintext")
	n := testing.AllocsPerRun(100, func() {
		d.begin(discardSink{})
		if d.write(block) != nil {
			t.Fatal("block is refused")
		}
		d.end()
	})
	if n != 0 {
		t.Errorf("a repeated path allocates %v times", n)
	}
}

type discardSink struct{}

func (discardSink) field(string, string) {}
