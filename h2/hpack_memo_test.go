package h2

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// What the encoder remembers must follow every insertion, eviction and resize of the table: a decoder that sees all
// blocks, in order, gets back what went in.
func TestEncoderMemosFollowTheTable(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var e blockEncoder
		l := Limits{}.withDefaults()
		e.init(&l)
		var got []hpack.HeaderField
		dec := hpack.NewDecoder(headerTableInit, func(f hpack.HeaderField) { got = append(got, f) })
		recalled := 0
		for range 300 {
			if rng.IntN(20) == 0 {
				size := []uint32{0, 100, 300, 4096}[rng.IntN(4)]
				e.setPeerTableSize(size)
			}
			var want []hpack.HeaderField
			e.begin(nil)
			for range 1 + rng.IntN(5) {
				f := hpack.HeaderField{Name: "content-type", Value: "text/plain"}
				if k := rng.IntN(6); k > 2 {
					f = hpack.HeaderField{Name: fmt.Sprintf("x-field-%d", k), Value: fmt.Sprint(rng.IntN(1 << rng.IntN(8)))}
				}
				for i := range e.memos {
					if m := &e.memos[i]; m.n > 0 && m.name == f.Name && m.value == f.Value {
						recalled++
						break
					}
				}
				e.field(f.Name, f.Value)
				want = append(want, f)
			}
			got = got[:0]
			if _, err := dec.Write(e.end()); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if err := dec.Close(); err != nil { // the end of the block
				t.Fatalf("seed %d: %v", seed, err)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("seed %d: decoded %v, want %v", seed, got, want)
			}
		}
		if recalled == 0 {
			t.Fatalf("seed %d: nothing was recalled", seed)
		}
	}
}
