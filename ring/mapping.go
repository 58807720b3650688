package ring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapping is mmap'd memory: the garbage collector neither moves, scans nor counts it.
type mapping struct {
	base unsafe.Pointer
	size uintptr
}

func mapShared(fd int, size uintptr, off int64) (mapping, error) {
	return mmap(fd, size, off, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
}

// mapPrivate maps zeroed memory. With PROT_NONE it is a mere reservation of addresses.
func mapPrivate(size uintptr, prot int) (mapping, error) {
	return mmap(-1, size, 0, prot, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
}

func mmap(fd int, size uintptr, off int64, prot, flags int) (mapping, error) {
	base, err := unix.MmapPtr(fd, off, nil, size, prot, flags)
	if err != nil {
		return mapping{}, explain("mmap", err.(unix.Errno), 0, gather())
	}
	return mapping{base, size}, nil
}

// open gives the first n bytes of a reservation memory behind them.
func (m mapping) open(n uintptr) error {
	return unix.Mprotect(unsafe.Slice((*byte)(m.base), n), unix.PROT_READ|unix.PROT_WRITE)
}

// unmap is idempotent.
func (m *mapping) unmap() {
	if m.base != nil {
		// munmap of a mapping we made can only fail on a wrong address.
		if err := unix.MunmapPtr(m.base, m.size); err != nil {
			panic("BUG: munmap: " + err.Error())
		}
	}
	*m = mapping{}
}
