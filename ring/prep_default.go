//go:build !giouring

package ring

// encoder writes the entries of this build: ours.
type encoder = ownEncoder
