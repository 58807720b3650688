package invariants

import (
	"bytes"
	"testing"
)

// TestPoison holds each build to its half of the bargain: the whole buffer is
// spoilt when the tag is set, and not a byte is touched without it.
func TestPoison(t *testing.T) {
	for _, n := range []int{0, 1, 7, 4096} {
		p := bytes.Repeat([]byte{0x11}, n)
		want := byte(0x11)
		if Enabled {
			want = PoisonByte
		}
		Poison(p)
		if !bytes.Equal(p, bytes.Repeat([]byte{want}, n)) {
			t.Errorf("Enabled=%v: Poison of %d bytes left %x", Enabled, n, p)
		}
	}
}
