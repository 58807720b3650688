package uring

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/socket"
	"github.com/percore/percore/ring"
)

// Config are the sizes of one core's driver; a zero value is its default.
type Config struct {
	Entries    int // submission queue entries, 512
	CQEntries  int // completion queue entries, 4096
	BufferSize int // bytes of one provided buffer, 4096
	Buffers    int // provided buffers at the start, 512
	BuffersMax int // what Grow may reach, 4096; at most 32768
	// Ring holds the off switches of kernel features, and Restrict; its sizes are those above.
	Ring ring.Config
}

func (c Config) withDefaults() Config {
	set := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	set(&c.Entries, 512)
	set(&c.CQEntries, max(4096, c.Entries))
	set(&c.BufferSize, 4096)
	set(&c.Buffers, 512)
	set(&c.BuffersMax, max(4096, c.Buffers))
	return c
}

const (
	group     = 0          // the one buffer group
	batchMax  = 256        // completions copied out at a time
	wakeToken = ^uint64(1) // user data of the wake-up poll; no driver.Token has this kind and slot, nor those before it
)

// Driver implements driver.Driver. It allocates nothing after Open, except when a listener is armed for
// the first time, when there are more ops than ever before, and when the kernel is out of memory.
type Driver struct {
	socket.Real
	ring   *ring.Ring
	kernel kernel // the ring; tests let it refuse
	bufs   *ring.BufRing
	batch  []ring.CQE
	// held are ops that found the queue full while the kernel was short of memory; later ones queue up
	// behind them.
	held    []driver.Op
	backOff time.Duration // how long Wait sleeps when the kernel refuses once more
	// accepts remembers the armed accept of each listener, so that Close can tell a descriptor that the
	// kernel delivers late from any other result.
	accepts []accept
	wake    wake
	sweep   sweep
	loans   loans
	count   driver.Counters
}

// kernel is the part of the ring that fails for want of memory.
type kernel interface {
	Submit() unix.Errno
	Poll() unix.Errno
	Fetch() unix.Errno
	Wait(timeout time.Duration) unix.Errno
}

type accept struct {
	fd    int32
	token driver.Token
}

var _ driver.Driver = (*Driver)(nil)

// Open makes a driver for the calling thread, to which its goroutine must be locked for good. The error
// says what is missing and what to change (a *ring.Error when the kernel refuses).
func Open(cfg Config) (*Driver, error) {
	cfg = cfg.withDefaults()
	cfg.Ring.Entries, cfg.Ring.CQEntries = cfg.Entries, cfg.CQEntries
	r, err := ring.Open(cfg.Ring)
	if err != nil {
		return nil, err
	}
	d := &Driver{ring: r, kernel: r, batch: make([]ring.CQE, batchMax), accepts: make([]accept, 0, 16)}
	if d.bufs, err = r.OpenBufRing(ring.BufRingConfig{Group: group, Size: cfg.BufferSize, Count: cfg.Buffers, Max: cfg.BuffersMax}); err != nil {
		r.Close()
		return nil, err
	}
	d.sweep.open(sweepPause)
	if err := d.wake.open(); err != nil {
		r.Close()
		return nil, fmt.Errorf("percore: eventfd for wake-ups: %w; raise RLIMIT_NOFILE (ulimit -n) or free memory", err)
	}
	return d, nil
}

// Kind returns driver.Uring.
func (d *Driver) Kind() driver.Kind { return driver.Uring }

// Buffer returns the whole provided buffer bid.
func (d *Driver) Buffer(bid int32) []byte { return d.bufs.Buffer(uint16(bid)) }

// Recycle gives a lent buffer back; the kernel sees it with the next Wait or full queue.
func (d *Driver) Recycle(bid int32) {
	d.loans.giveBack(bid)
	d.bufs.Recycle(uint16(bid))
}

// Buffers returns how many provided buffers exist.
func (d *Driver) Buffers() int { return d.bufs.Len() }

// Grow doubles the provided buffers, up to BuffersMax, and returns how many exist.
func (d *Driver) Grow() int { return d.bufs.Grow() }

// Counters returns the running totals. Core only.
func (d *Driver) Counters() driver.Counters {
	c := d.count
	c.Enters = d.ring.Enters()
	c.WakeCalls = d.wake.calls.Load()
	c.MappedBytes = uint64(d.ring.MappedBytes())
	return c
}

// Close cancels what is left, closes descriptors that the kernel still delivers, waits for the kernel,
// and gives everything back. Wake stays callable and does nothing.
func (d *Driver) Close() error {
	d.wake.stop()
	err := d.ring.Drain(closeMax, d.discard)
	d.wake.release()
	if cerr := d.ring.Close(); err == nil {
		err = cerr
	}
	return err
}

// discard closes the descriptor that a late completion of an accept carries.
func (d *Driver) discard(c ring.CQE) {
	if c.Res < 0 || c.UserData == wakeToken {
		return
	}
	for _, a := range d.accepts {
		if a.token == driver.Token(c.UserData) {
			unix.Close(int(c.Res))
			return
		}
	}
}
