package driver

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Code names what the kernel is asked to do.
type Code uint8

const (
	// Accept takes connections from the listener FD: one completion per connection with Res = its
	// descriptor (close-on-exec, non-blocking). With Multi it goes on until it ends (multishot), and takes all
	// that wait at once; otherwise one connection ends it. Errors end it (More = false). -ECANCELED may come unasked:
	// arm it again.
	Accept Code = iota + 1
	// Recv receives into provided buffers. Multi keeps it armed; otherwise one completion ends it.
	// Res > 0 carries a Bid that is lent to the core until Recycle; Res = 0 is end of file and
	// -ENOBUFS an empty group, both without a Bid. -ECANCELED may come unasked: arm it again.
	Recv
	// Send writes Buf. A short result is legal.
	Send
	// Connect connects FD to the raw sockaddr held in Buf.
	Connect
	// Cancel ends the op whose token is Target. Its own completion has Res 0, -ENOENT (it had already
	// ended) or -EALREADY (it can no longer be stopped); the target always posts its own final one.
	Cancel
)

// Token identifies one op slot in one use: kind, slot index and generation, never a pointer or a bare
// descriptor, so a late completion can never reach the slot's next owner. Layout: NewToken.
type Token uint64

// NoToken is the zero token; no op carries it.
const NoToken Token = 0

// NewToken packs kind (8 bits), generation (24 bits) and slot (32 bits).
func NewToken(kind uint8, gen, slot uint32) Token {
	return Token(uint64(kind)<<56 | uint64(gen&GenMask)<<32 | uint64(slot))
}

// GenMask is the width of a token's generation.
const GenMask = 1<<24 - 1

// Kind, Gen and Slot are the parts of a token.
func (t Token) Kind() uint8  { return uint8(t >> 56) }
func (t Token) Gen() uint32  { return uint32(t>>32) & GenMask }
func (t Token) Slot() uint32 { return uint32(t) }

// Op is one request to the kernel. It is passed by value; Buf must be held by the op's slot (and so by
// the heap) until the op's final completion.
type Op struct {
	Code   Code
	Multi  bool
	FD     int32
	Token  Token
	Target Token  // Cancel only
	Buf    []byte // Send: bytes; Connect: raw sockaddr
}

// NoBuffer is the Bid of a completion that carries no provided buffer.
const NoBuffer = -1

// Completion is what became of an op. A Bid is valid exactly when it is not NoBuffer, also on a final one.
type Completion struct {
	Token Token
	Res   int32 // >= 0: as the system call; < 0: -errno
	Bid   int32
	More  bool // the op stays armed and will post again
}

// Errno returns the error of a failed completion, 0 otherwise.
func (c Completion) Errno() unix.Errno {
	if c.Res >= 0 {
		return 0
	}
	return unix.Errno(-c.Res)
}

// Kind names a driver.
type Kind string

const (
	Uring Kind = "uring"
	Epoll Kind = "epoll"
	Sim   Kind = "sim"
)

// Counters are running totals of one driver, read on the core.
type Counters struct {
	Enters      uint64 // system calls that submit or wait
	Submitted   uint64
	Completed   uint64
	QueueFull   uint64 // submissions that had to flush the queue first
	Overflows   uint64 // completion-queue overflows that had to be fetched from the kernel
	NoBuffers   uint64 // receives that found the buffer group empty
	Forgotten   uint64 // armed ops that the kernel did not wake although their socket was readable
	NoMemory    uint64 // enters that the kernel refused for want of memory
	WakeCalls   uint64 // Wake calls that reached the kernel
	MappedBytes uint64 // mmap'd memory (GOMEMLIMIT does not see it)
}

// Driver is a proactor in io_uring's shape: ops go in, completions come out. Everything stateful (arming
// and re-arming, starved and back-off lists, the two completions of a cancel, the close ladder) stands
// above it, once. All methods but Wake belong to the core's goroutine.
type Driver interface {
	Sockets
	Kind() Kind
	// Submit queues op. It never fails and never blocks: a full queue is flushed, and a refused op posts
	// its errno as a completion.
	Submit(op Op)
	// Buffer returns the whole provided buffer bid.
	Buffer(bid int32) []byte
	// Recycle gives a lent buffer back to the kernel; it is published at the latest with the next Wait.
	Recycle(bid int32)
	// Buffers reports how many provided buffers exist. Grow adds more, up to the configured cap, and
	// returns the new total.
	Buffers() int
	Grow() int
	// TrySend writes p without waiting: n bytes, or an errno (EAGAIN when the socket is full).
	TrySend(fd int, p []byte) (int, unix.Errno)
	// Wait submits what is queued, and fills out with completions. With min = 0 it does not sleep; with
	// min = 1 it sleeps until there is a completion, Wake was called, or timeout passed (negative: no
	// timeout). It may return 0 completions early. An error is fatal for the core.
	Wait(out []Completion, min int, timeout time.Duration) (int, error)
	// Wake makes a Wait that sleeps, or the next one, return. Any goroutine.
	Wake()
	Counters() Counters
	// Close ends the driver. The core has drained every op before; what is left is canceled by the
	// driver, which waits for it before its memory goes away.
	Close() error
}

// ListenSpec is one listening socket of a group.
type ListenSpec struct {
	Network string // "tcp", "tcp4", "tcp6"
	Addr    netip.AddrPort
	Backlog int // 0: the system's maximum
	// Exclusive binds without SO_REUSEPORT first and opens the socket to its siblings afterwards, so that
	// a second instance is refused with EADDRINUSE.
	Exclusive bool
	NoDelay   bool // inherited by accepted sockets
	RecvBuf   int  // bytes, 0: the system's choice
	SendBuf   int
}

// Sockets are the socket calls that never wait. Listen, Socket and CloseFD may be called from any
// goroutine.
type Sockets interface {
	// Listen makes and binds a socket of the group and puts it into the listening state when start is
	// true; StartListen does it later, so that a whole group is bound before any member accepts.
	Listen(spec ListenSpec) (fd int, bound netip.AddrPort, err error)
	StartListen(fd, backlog int) error
	// Socket makes an unconnected stream socket for remote's address family.
	Socket(network string, remote netip.AddrPort) (fd int, err error)
	CloseFD(fd int) error
	ShutdownWrite(fd int) error
	Sockname(fd int) (netip.AddrPort, error)
	Peername(fd int) (netip.AddrPort, error)
	SetNoDelay(fd int, on bool) error
	SetKeepAlive(fd int, on bool, idle, interval time.Duration, count int) error
	SetBuffers(fd, recv, send int) error
	SetLingerAbort(fd int) error // close will reset the connection
	SocketError(fd int) unix.Errno
	// Unacked returns how many bytes that fd took the peer's kernel has not taken yet.
	Unacked(fd int) (int, error)
}
