package coreruntime

import (
	"math/bits"

	"github.com/percore/percore/internal/invariants"
)

// Buffer returns the provided buffer bid, whole. It is lent to the core from the completion that carried
// it until Recycle. Core only.
func (c *Core) Buffer(bid int32) []byte { return c.drv.Buffer(bid) }

// Recycle returns a lent buffer to the kernel; the caller keeps no slice of it. Core only.
func (c *Core) Recycle(bid int32) {
	if invariants.Enabled {
		invariants.Poison(c.drv.Buffer(bid))
	}
	c.lent--
	if c.lent < 0 {
		panic("BUG: a provided buffer was recycled twice")
	}
	c.drv.Recycle(bid)
}

// BuffersFree reports how many provided buffers are not lent. Core only.
func (c *Core) BuffersFree() int { return c.drv.Buffers() - c.lent }

// scratchMax bounds what a flush may leave behind in the core's scratch.
const scratchMax = 128 << 10

// Scratch returns the core's flush buffer: empty, for use inside one Flush call only. Core only.
func (c *Core) Scratch() *[]byte {
	if cap(c.scratch) > scratchMax || c.scratch == nil {
		c.scratch = make([]byte, 0, 64<<10)
	}
	c.scratch = c.scratch[:0]
	return &c.scratch
}

// Chunks come in these sizes: 4, 8, 16, 32, 64 and 128 KiB.
const (
	chunkShift   = 12
	chunkClasses = 6
	chunkMax     = 1 << (chunkShift + chunkClasses - 1)
	chunkKeepMax = 1 << 20 // bytes of each class kept for reuse
)

type chunkPool struct {
	free [chunkClasses][][]byte
	out  int // bytes handed out and not returned
}

func chunkClass(n int) int {
	if n <= 1<<chunkShift {
		return 0
	}
	return bits.Len(uint(n-1)) - chunkShift
}

// Chunk returns n bytes of pooled heap memory with stale content; FreeChunk takes it back. Memory over
// 128 KiB is made for the purpose and not kept. Core only.
func (c *Core) Chunk(n int) []byte {
	if n > chunkMax {
		c.chunks.out += n
		return make([]byte, n)
	}
	class := chunkClass(n)
	size := 1 << (chunkShift + class)
	c.chunks.out += size
	list := &c.chunks.free[class]
	if k := len(*list); k > 0 {
		p := (*list)[k-1]
		(*list)[k-1] = nil
		*list = (*list)[:k-1]
		return p[:n]
	}
	return make([]byte, n, size)
}

// FreeChunk returns memory of Chunk; p must start where Chunk's result started. Core only.
func (c *Core) FreeChunk(p []byte) {
	size := cap(p)
	c.chunks.out -= size
	if c.chunks.out < 0 {
		panic("BUG: a chunk was freed twice, or not from its start")
	}
	if size > chunkMax {
		return
	}
	if invariants.Enabled {
		invariants.Poison(p[:size])
	}
	list := &c.chunks.free[chunkClass(size)]
	if len(*list)*size < chunkKeepMax {
		*list = append(*list, p[:0])
	}
}
