package coretls

// memory is the pooled, counted memory of a core; *coreruntime.Core is one.
type memory interface {
	Chunk(n int) []byte
	FreeChunk(p []byte)
}

// Sizes asked of a core's memory.
const (
	chunkSmall  = 4 << 10
	chunkRecord = 16 << 10
	chunkFlush  = 128 << 10
)

// appendChunk appends p to buf, a chunk of mem or nil, moving it to a larger
// chunk when it is full. Plain append would lose the pool's count.
func appendChunk(mem memory, buf, p []byte) []byte {
	need := len(buf) + len(p)
	if need <= cap(buf) {
		return append(buf, p...)
	}
	if buf != nil {
		need = max(need, 2*cap(buf))
	}
	next := mem.Chunk(need)
	n := copy(next, buf)
	n += copy(next[n:], p)
	freeChunk(mem, buf)
	return next[:n]
}

// freeChunk gives buf back; nil is fine.
func freeChunk(mem memory, buf []byte) {
	if cap(buf) != 0 {
		mem.FreeChunk(buf[:cap(buf)])
	}
}
