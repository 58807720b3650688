package emulate

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Memory says where a group's buffers live.
type Memory uint8

const (
	// Mapped memory comes from mmap, page by page as it is touched; Free gives it back.
	Mapped Memory = iota
	// Heap memory is the collector's, for drivers that a test may drop without closing.
	Heap
)

// ErrGroup is wrapped by the errors of a group that cannot be made.
var ErrGroup = errors.New("provided buffers")

// Group is a driver-made provided buffer group: equal buffers named by a bid from 0 upward. The free
// list is LIFO, so that a quiet core touches few pages and finds them in its cache.
//
// A buffer is the kernel's until Take, the core's from Take to Recycle, and never both.
type Group struct {
	size   int // bytes in one buffer
	step   int // buffers in one chunk
	max    int // buffers at most
	mem    Memory
	chunks [][]byte
	free   []int32
	lent   []bool
}

// NewGroup makes a group of count buffers of size bytes that can grow up to max buffers, count at a time.
func NewGroup(mem Memory, size, count, max int) (*Group, error) {
	if size <= 0 || count <= 0 || max < count {
		return nil, fmt.Errorf("%w: %d buffers of %d bytes, at most %d: sizes must be positive and the cap not below the count", ErrGroup, count, size, max)
	}
	g := &Group{size: size, step: count, max: max, mem: mem}
	if err := g.add(); err != nil {
		return nil, err
	}
	return g, nil
}

// add maps one more chunk and frees its buffers, the lowest bid on top of the list.
func (g *Group) add() error {
	n := min(g.step, g.max-len(g.lent))
	chunk, err := g.allocate(n * g.size)
	if err != nil {
		return fmt.Errorf("%w: map %d bytes: %w", ErrGroup, n*g.size, err)
	}
	first := len(g.lent)
	g.chunks = append(g.chunks, chunk)
	g.lent = append(g.lent, make([]bool, n)...)
	free := make([]int32, len(g.free), len(g.lent))
	copy(free, g.free)
	for bid := first + n - 1; bid >= first; bid-- {
		free = append(free, int32(bid))
	}
	g.free = free
	return nil
}

func (g *Group) allocate(n int) ([]byte, error) {
	if g.mem == Heap {
		return make([]byte, n), nil
	}
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
}

// Buffer returns the whole buffer bid.
func (g *Group) Buffer(bid int32) []byte {
	i := int(bid)
	chunk := g.chunks[i/g.step]
	off := i % g.step * g.size
	return chunk[off : off+g.size : off+g.size]
}

// Take lends a free buffer out. It reports false when the group is empty.
func (g *Group) Take() (int32, bool) {
	if len(g.free) == 0 {
		return 0, false
	}
	bid := g.free[len(g.free)-1]
	g.free = g.free[:len(g.free)-1]
	g.lent[bid] = true
	return bid, true
}

// Recycle takes a lent buffer back.
func (g *Group) Recycle(bid int32) {
	if bid < 0 || int(bid) >= len(g.lent) || !g.lent[bid] {
		panic(fmt.Sprintf("BUG: recycle of buffer %d, which is not lent", bid))
	}
	g.lent[bid] = false
	g.free = append(g.free, bid)
}

// Grow adds another chunk, up to the cap, and returns how many buffers exist. Memory that cannot be had
// leaves the group as it is: the core goes on with what there is.
func (g *Group) Grow() int {
	if len(g.lent) < g.max {
		_ = g.add()
	}
	return len(g.lent)
}

// Len is how many buffers exist, Lent how many of them are out, Bytes the memory of all.
func (g *Group) Len() int   { return len(g.lent) }
func (g *Group) Lent() int  { return len(g.lent) - len(g.free) }
func (g *Group) Bytes() int { return len(g.lent) * g.size }

// Free gives the memory back. No buffer may be used afterwards.
func (g *Group) Free() error {
	var first error
	for _, chunk := range g.chunks {
		if g.mem == Mapped {
			if err := unix.Munmap(chunk); err != nil && first == nil {
				first = err
			}
		}
	}
	g.chunks, g.free, g.lent = nil, nil, nil
	return first
}
