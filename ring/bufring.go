package ring

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BufRingConfig describes a group of provided buffers.
type BufRingConfig struct {
	Group uint16 // bgid, what the recv ops name
	Size  int    // bytes of one buffer
	Count int    // buffers at the start
	Max   int    // buffers that Grow may reach, at most 32768; at least Count
}

// BufRing is a ring of buffers that the kernel takes from when data is there, so that a quiet connection
// needs none. A buffer is the kernel's from Recycle to the completion that carries its id (bid), and lent
// to the owner of the completion until Recycle.
//
//	tail (ours, published) ──▶ | bid 7 | bid 2 | bid 9 | ──▶ head (the kernel's) ──▶ CQE{bid} ──▶ Recycle(bid)
//
// The addresses for Max buffers are reserved at once, so that a bid is an offset; memory stands behind the
// first Count only, and the kernel provides its pages when they are first written to.
type BufRing struct {
	ring    *Ring
	cfg     BufRingConfig
	count   int
	entries []bufEntry
	mask    uint16
	tail    uint16 // ours
	shown   uint16 // the tail the kernel sees
	table   mapping
	memory  mapping
}

// OpenBufRing registers a group and fills it. The ring's Close closes it.
func (r *Ring) OpenBufRing(cfg BufRingConfig) (*BufRing, error) {
	if cfg.Size < 1 || cfg.Size > 1<<30 || cfg.Count < 1 || cfg.Max < cfg.Count || cfg.Max > pbufEntriesMax {
		return nil, fmt.Errorf("percore: buffer ring of %d to %d buffers of %d bytes: choose 1 <= count <= max <= %d: %w",
			cfg.Count, cfg.Max, cfg.Size, pbufEntriesMax, unix.EINVAL)
	}
	b := &BufRing{ring: r, cfg: cfg}
	if err := b.open(); err != nil {
		b.table.unmap()
		b.memory.unmap()
		return nil, err
	}
	r.bufRings = append(r.bufRings, b)
	return b, nil
}

func (b *BufRing) open() (err error) {
	slots := uintptr(1) << bits.Len(uint(b.cfg.Max-1))
	if b.table, err = mapPrivate(slots*unsafe.Sizeof(bufEntry{}), unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return err
	}
	if b.memory, err = mapPrivate(uintptr(b.cfg.Max)*uintptr(b.cfg.Size), unix.PROT_NONE); err != nil {
		return err
	}
	b.entries = unsafe.Slice((*bufEntry)(b.table.base), slots)
	b.mask = uint16(slots - 1)
	reg := registerArg[bufReg](b.ring)
	reg.ringAddr, reg.ringEntries, reg.bgid = uint64(uintptr(b.table.base)), uint32(slots), b.cfg.Group
	if _, errno := b.ring.register(registerPbufRing, unsafe.Pointer(reg), 1); errno != 0 {
		return explain("io_uring_register(PBUF_RING)", errno, 0, gather())
	}
	if errno := b.extend(b.cfg.Count); errno != 0 {
		b.unregister()
		return explain("mprotect", errno, 0, gather())
	}
	return nil
}

// extend makes the buffers up to count real and gives the new ones to the kernel.
func (b *BufRing) extend(count int) unix.Errno {
	if err := b.memory.open(uintptr(count) * uintptr(b.cfg.Size)); err != nil {
		return err.(unix.Errno)
	}
	for b.count < count {
		b.count++
		b.Recycle(uint16(b.count - 1))
	}
	b.Publish()
	return 0
}

// Grow doubles the number of buffers, up to Max, and returns it. It stays as it is when there is no memory.
func (b *BufRing) Grow() int {
	if count := min(2*b.count, b.cfg.Max); count > b.count {
		b.extend(count)
	}
	return b.count
}

// Len is the number of buffers.
func (b *BufRing) Len() int { return b.count }

// Group is the bgid that recv ops name.
func (b *BufRing) Group() uint16 { return b.cfg.Group }

// Buffer returns the whole buffer bid.
func (b *BufRing) Buffer(bid uint16) []byte {
	if int(bid) >= b.count {
		panic(fmt.Sprintf("BUG: buffer id %d of %d", bid, b.count))
	}
	return unsafe.Slice((*byte)(unsafe.Add(b.memory.base, uintptr(bid)*uintptr(b.cfg.Size))), b.cfg.Size)
}

// Recycle gives buffer bid back; the kernel sees it after Publish. There are never more entries than
// slots, so an entry the kernel has not taken is never overwritten.
func (b *BufRing) Recycle(bid uint16) {
	if int(bid) >= b.count {
		panic(fmt.Sprintf("BUG: buffer id %d of %d", bid, b.count))
	}
	e := &b.entries[b.tail&b.mask]
	e.addr = uint64(uintptr(b.memory.base) + uintptr(bid)*uintptr(b.cfg.Size))
	e.len = uint32(b.cfg.Size)
	e.bid = bid // never resv: in slot 0 that is the tail
	b.tail++
}

// Publish shows the kernel what was recycled. The tail lies beside the bid of slot 0, and there is no
// 16-bit atomic store, so both are stored as one word (little endian on amd64 and arm64) with release.
func (b *BufRing) Publish() {
	if b.tail == b.shown {
		return
	}
	b.shown = b.tail
	w := (*uint32)(unsafe.Pointer(&b.entries[0].bid))
	atomic.StoreUint32(w, uint32(b.tail)<<16|uint32(b.entries[0].bid))
}

func (b *BufRing) mappedBytes() uintptr {
	return b.table.size + uintptr(b.count)*uintptr(b.cfg.Size)
}

func (b *BufRing) unregister() {
	reg := registerArg[bufReg](b.ring)
	reg.bgid = b.cfg.Group
	b.ring.register(unregisterPbufRing, unsafe.Pointer(reg), 1)
}

// release is for the ring's Close: no op of the group is in flight.
func (b *BufRing) release() {
	b.unregister()
	b.table.unmap()
	b.memory.unmap()
	b.count, b.entries = 0, nil
}
