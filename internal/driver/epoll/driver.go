package epoll

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/emulate"
	"github.com/percore/percore/internal/driver/socket"
)

// Config are the sizes of one core's driver; a zero value is its default.
type Config struct {
	BufferSize int // bytes of one provided buffer, 4096
	Buffers    int // provided buffers at the start, 512
	BuffersMax int // what Grow may reach, 4096
}

func (c Config) withDefaults() Config {
	set := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	set(&c.BufferSize, 4096)
	set(&c.Buffers, 512)
	set(&c.BuffersMax, max(4096, c.Buffers))
	return c
}

const (
	// eventsMax is how many events one epoll_wait returns; what is left comes with the next.
	eventsMax = 256
	// acceptBurstMax and recvBurstMax bound what one descriptor gets in one Wait, so that a fast peer
	// cannot keep the others waiting.
	acceptBurstMax = 64
	recvBurstMax   = 16
	burst          = acceptBurstMax // what one of them spends, in the smaller of the two steps
)

// Driver implements driver.Driver. It allocates only when a table grows: for descriptor numbers, op slots
// and completions in numbers never seen before.
type Driver struct {
	socket.Real
	group   *emulate.Group
	done    emulate.Queue
	ops     []waiting  // by token slot
	fds     []*fdState // by descriptor
	active  fdQueue
	ep      poller
	wake    wake
	count   driver.Counters
	isClose bool
}

var _ driver.Driver = (*Driver)(nil)

// Open makes a driver. Unlike a ring it is not bound to the calling thread.
func Open(cfg Config) (*Driver, error) {
	cfg = cfg.withDefaults()
	group, err := emulate.NewGroup(emulate.Mapped, cfg.BufferSize, cfg.Buffers, cfg.BuffersMax)
	if err != nil {
		return nil, fmt.Errorf("percore: epoll driver: %w", err)
	}
	d := &Driver{group: group}
	if err := d.open(); err != nil {
		d.ep.close()
		d.wake.close()
		_ = group.Free()
		return nil, err
	}
	return d, nil
}

func (d *Driver) open() error {
	d.ep.fd, d.wake.fd = -1, -1
	if err := d.ep.open(); err != nil {
		return fmt.Errorf("percore: epoll_create1: %w", err)
	}
	if err := d.wake.open(); err != nil {
		return fmt.Errorf("percore: eventfd for wake-ups: %w; raise RLIMIT_NOFILE (ulimit -n) or free memory", err)
	}
	if errno := d.ep.ctl(unix.EPOLL_CTL_ADD, int32(d.wake.fd), unix.EPOLLIN|unix.EPOLLET); errno != 0 {
		return fmt.Errorf("percore: epoll_ctl for wake-ups: %w", errno)
	}
	return nil
}

// Kind returns driver.Epoll.
func (d *Driver) Kind() driver.Kind { return driver.Epoll }

// Buffer returns the whole provided buffer bid.
func (d *Driver) Buffer(bid int32) []byte { return d.group.Buffer(bid) }

// Recycle gives a lent buffer back.
func (d *Driver) Recycle(bid int32) { d.group.Recycle(bid) }

// Buffers returns how many provided buffers exist.
func (d *Driver) Buffers() int { return d.group.Len() }

// Grow adds as many buffers as there were at the start, up to BuffersMax, and returns how many exist.
func (d *Driver) Grow() int { return d.group.Grow() }

// Counters returns the running totals. Core only.
func (d *Driver) Counters() driver.Counters {
	c := d.count
	c.WakeCalls = d.wake.calls.Load()
	c.MappedBytes = uint64(d.group.Bytes())
	return c
}

// Close forgets the ops that are left and gives everything back. No accepted descriptor is left: Wait
// accepts only what it then returns. Wake stays callable and does nothing.
func (d *Driver) Close() error {
	if d.isClose {
		return nil
	}
	d.isClose = true
	d.wake.close()
	d.ep.close()
	d.ops, d.fds = nil, nil
	return d.group.Free()
}
