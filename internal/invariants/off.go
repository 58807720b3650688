//go:build !invariants

package invariants

// Enabled tells that costly checks are compiled in. Without the build tag
// `invariants` it is false and code under it is removed by the compiler.
const Enabled = false

// PoisonByte is the value Poison writes: odd, not zero, not ASCII, and as a
// frame type or a length it is absurd.
const PoisonByte = 0xdb

// Poison does nothing in this build.
func Poison(p []byte) {}
