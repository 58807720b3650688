package sim

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of a World that a test may change before it opens anything.
const (
	// BufferDefault is the size of a socket's send and of its receive queue in bytes.
	BufferDefault = 128 << 10
	// DescriptorsMax is how many descriptors exist; the next one is refused with EMFILE.
	DescriptorsMax = 1 << 20
	// BacklogMax is the accept queue of a listener that asks for the system's maximum.
	BacklogMax = 4096
)

const (
	firstFD   = 3 // below are the standard streams
	portFirst = 32768
	portLast  = 60999 // ip_local_port_range
)

// World is one network with one descriptor table and one clock. Drivers of several cores share it.
type World struct {
	mu        sync.Mutex // guards everything below, and everything that belongs to the world
	sched     schedule
	now       time.Duration
	files     []*socket // by descriptor
	open      int
	sockets   lane // made so far
	fdMax     int
	lowest    int // no free descriptor is below
	listeners map[uint16][]*socket
	port      uint16 // last ephemeral port
	sndMax    int
	rcvMax    int
}

// New makes an empty world whose schedule follows from seed; seed 0 is the plain schedule.
func New(seed uint64) *World {
	return &World{
		sched:     newSchedule(seed),
		fdMax:     DescriptorsMax,
		lowest:    firstFD,
		files:     make([]*socket, firstFD),
		listeners: make(map[uint16][]*socket),
		port:      portFirst - 1,
		sndMax:    BufferDefault,
		rcvMax:    BufferDefault,
	}
}

// Now is the time since the world began; Advance lets d pass.
func (w *World) Now() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Advance lets d pass. Nothing in the world acts by time alone: who has timers looks at Now.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now += d
}

// SetBuffers sets the send and receive queue, in bytes, of sockets made from now on.
func (w *World) SetBuffers(send, recv int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sndMax, w.rcvMax = send, recv
}

// SetDescriptorsMax limits how many descriptors may be open, as RLIMIT_NOFILE does.
func (w *World) SetDescriptorsMax(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fdMax = n
}

// OpenFDs is how many descriptors are open; a test that leaks none ends with 0.
func (w *World) OpenFDs() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open
}

// allocate gives s the lowest free descriptor (POSIX: open(2), "the lowest-numbered"), so that numbers
// are reused as fast as in a real process.
func (w *World) allocate(s *socket) (int, unix.Errno) {
	if w.open >= w.fdMax {
		return -1, unix.EMFILE
	}
	fd := w.lowest
	for fd < len(w.files) && w.files[fd] != nil {
		fd++
	}
	if fd == len(w.files) {
		w.files = append(w.files, nil)
	}
	w.files[fd] = s
	w.lowest = fd + 1
	w.open++
	s.refs++
	return fd, 0
}

// lookup returns the socket of a descriptor, nil if it is not open.
func (w *World) lookup(fd int) *socket {
	if fd < 0 || fd >= len(w.files) {
		return nil
	}
	return w.files[fd]
}

// free takes the descriptor away; the socket lives on while ops hold it, as a file does.
func (w *World) free(fd int) unix.Errno {
	s := w.lookup(fd)
	if s == nil {
		return unix.EBADF
	}
	w.files[fd] = nil
	w.lowest = min(w.lowest, fd)
	w.open--
	s.unref()
	return 0
}

// ephemeral returns a local address on the host of remote that no listener holds.
func (w *World) ephemeral(remote netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(remote.Addr(), w.freePort())
}

func (w *World) freePort() uint16 {
	for range portLast - portFirst + 1 {
		if w.port++; w.port > portLast {
			w.port = portFirst
		}
		if len(w.listeners[w.port]) == 0 {
			break
		}
	}
	return w.port
}
