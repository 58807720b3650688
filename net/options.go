package corenet

import (
	"net"
	"time"

	"github.com/percore/percore/internal/driver"
)

// ConnConfig bounds what one connection may hold and how long it may take. Every zero field means its
// default.
type ConnConfig struct {
	// WriteStallMax is how long a send may make no progress at all before the connection is aborted;
	// default 30 s. It also bounds the flush of Close.
	WriteStallMax time.Duration
	// LingerMax is how long Close waits, after its own end of file, for the peer's; default 5 s.
	// LingerBytesMax is how many bytes it reads and throws away meanwhile; default 1 MiB. Past either the
	// connection is closed as it is.
	LingerMax      time.Duration
	LingerBytesMax int
	// OutBufferMax is how many bytes wait for a full socket before Write parks and reading stops; both
	// go on at half of it. Default 512 KiB.
	OutBufferMax int
	// BufsPerConnMax is how many provided buffers one connection keeps lent at once; what arrives beyond
	// is copied. Default 16.
	BufsPerConnMax int
	// RecvTurnMax is how many bytes one connection may receive in one turn in the armed mode, and how many may
	// lie unread, before it is received from one buffer at a time; default 64 KiB.
	RecvTurnMax int
}

// The defaults of ConnConfig, and limits that are not configurable.
const (
	defaultWriteStallMax  = 30 * time.Second
	defaultLingerMax      = 5 * time.Second
	defaultLingerBytesMax = 1 << 20
	defaultOutBufferMax   = 512 << 10
	defaultBufsPerConnMax = 16
	defaultRecvTurnMax    = 64 << 10

	// FlushMax is about how many bytes one Protocol.Flush should append; a protocol with more to send
	// calls Touch again.
	FlushMax = 64 << 10
)

func (cc ConnConfig) withDefaults() *ConnConfig {
	orDuration(&cc.WriteStallMax, defaultWriteStallMax)
	orDuration(&cc.LingerMax, defaultLingerMax)
	orInt(&cc.LingerBytesMax, defaultLingerBytesMax)
	orInt(&cc.OutBufferMax, defaultOutBufferMax)
	orInt(&cc.BufsPerConnMax, defaultBufsPerConnMax)
	orInt(&cc.RecvTurnMax, defaultRecvTurnMax)
	return &cc
}

func orInt(p *int, v int) {
	if *p <= 0 {
		*p = v
	}
}

func orDuration(p *time.Duration, v time.Duration) {
	if *p <= 0 {
		*p = v
	}
}

// ListenConfig is how a listening group is made. The zero value is ready to use.
type ListenConfig struct {
	// Backlog is each socket's accept queue; 0 means the system's maximum (net.core.somaxconn).
	Backlog int
	// Delay leaves Nagle's algorithm on. By default small writes leave at once (TCP_NODELAY), as in the
	// standard library.
	Delay bool
	// KeepAlive is inherited by accepted sockets. The zero value means idle 15 s, interval 15 s, 9
	// probes, as in the standard library; Enable = false with a negative Idle turns it off.
	KeepAlive net.KeepAliveConfig
	// RecvBuffer and SendBuffer size the kernel's socket buffers in bytes; 0 leaves them to its
	// auto-tuning, which is nearly always better.
	RecvBuffer, SendBuffer int
	// ShareAcrossProcesses binds with SO_REUSEPORT from the start, so that several processes of the same
	// user share the port. By default a second one is refused with EADDRINUSE.
	ShareAcrossProcesses bool
	// AcceptedMax is how many accepted connections of one core may wait for Accept; default 128. With
	// more the rest waits in the kernel's backlog.
	AcceptedMax int
	// ConnsMax is how many connections each core may have open, from accept until their descriptors are closed
	// or detached. At the limit accepting pauses and the rest waits in the kernel's backlog until one ends;
	// connections that the kernel had handed over already are served all the same. While another core has room,
	// and SurplusMax does not forbid it, connections go there instead. 0 means no limit: how many
	// descriptors a process can spare for one listener is not ours to know, and when they run out accepting
	// backs off.
	ConnsMax int
	// SurplusMax is how many connections a core may have above the mean of all cores, counting those of all
	// listeners and dialers. A new one beyond it goes to the core with the fewest before a byte of it is
	// read, because the kernel's hash spreads few or long-lived connections badly. A surplus below a 16th of the mean
	// is always left alone. With Accept only cores on which it was called are sent any. Default 2;
	// negative turns rebalancing off.
	SurplusMax int
	// Conn bounds each accepted connection.
	Conn ConnConfig
}

const (
	defaultAcceptedMax = 128
	defaultSurplusMax  = 2
)

// Dialer is how a connection is made. The zero value is ready to use.
type Dialer struct {
	Delay                  bool                // as in ListenConfig
	KeepAlive              net.KeepAliveConfig // as in ListenConfig
	RecvBuffer, SendBuffer int                 // as in ListenConfig
	Conn                   ConnConfig
}

// The standard library's keep-alive values.
const (
	keepAliveIdle     = 15 * time.Second
	keepAliveInterval = 15 * time.Second
	keepAliveCount    = 9
)

// setKeepAlive applies k to a socket; a listening socket passes it on to those it accepts (tcp(7)).
func setKeepAlive(s driver.Sockets, fd int, k net.KeepAliveConfig) error {
	if !k.Enable && k.Idle < 0 {
		return nil
	}
	orDuration(&k.Idle, keepAliveIdle)
	orDuration(&k.Interval, keepAliveInterval)
	orInt(&k.Count, keepAliveCount)
	return s.SetKeepAlive(fd, true, k.Idle, k.Interval, k.Count)
}
