//go:build invariants

package invariants

// Enabled tells that costly checks are compiled in: this build has the tag
// `invariants`.
const Enabled = true

// PoisonByte is the value Poison writes: odd, not zero, not ASCII, and as a
// frame type or a length it is absurd.
const PoisonByte = 0xdb

// Poison overwrites all of p, which its caller is about to give away: the
// caller owns every byte of p and nothing in p is of use to anybody any more.
func Poison(p []byte) {
	for i := range p {
		p[i] = PoisonByte
	}
}
