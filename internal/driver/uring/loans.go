package uring

import (
	"fmt"

	"github.com/percore/percore/internal/invariants"
)

// loans are the provided buffers that the core has. They are kept in builds with the tag invariants only: a buffer that
// is given back twice is filled by the kernel for two receives at once, and shows as bytes of a foreign connection.
type loans []bool

func (l *loans) lend(bid int32) {
	if !invariants.Enabled {
		return
	}
	for int(bid) >= len(*l) {
		*l = append(*l, false)
	}
	if (*l)[bid] {
		panic(fmt.Sprintf("BUG: the kernel has filled buffer %d, which is lent", bid))
	}
	(*l)[bid] = true
}

func (l *loans) giveBack(bid int32) {
	if !invariants.Enabled {
		return
	}
	if int(bid) >= len(*l) || !(*l)[bid] {
		panic(fmt.Sprintf("BUG: buffer %d is given back and was not lent", bid))
	}
	(*l)[bid] = false
}
