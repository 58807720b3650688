package coreruntime

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/percore/percore/internal/driver"
)

// PinMode says whether each core's thread is bound to one CPU.
type PinMode uint8

const (
	// PinAuto pins only when the process owns its CPUs: one core per CPU of an affinity mask that is
	// narrower than the machine. A cgroup quota does not narrow the mask, and pinning by default would
	// put every container of a node on its first CPUs.
	PinAuto PinMode = iota
	// PinNever leaves placement to the scheduler.
	PinNever
	// PinAlways binds core i to the i-th CPU of the mask. More cores than CPUs never pin.
	PinAlways
)

// DriverMode says what moves the bytes.
type DriverMode uint8

const (
	// DriverAuto takes io_uring, else epoll with a warning that names errno, cause and fix.
	DriverAuto DriverMode = iota
	// DriverUring takes io_uring or fails; it never falls back.
	DriverUring
	// DriverEpoll takes epoll.
	DriverEpoll
)

// ParseDriverMode reads "auto", "uring" or "epoll".
func ParseDriverMode(s string) (DriverMode, error) {
	switch s {
	case "auto", "":
		return DriverAuto, nil
	case "uring":
		return DriverUring, nil
	case "epoll":
		return DriverEpoll, nil
	}
	return 0, fmt.Errorf("unknown driver %q: use auto, uring or epoll", s)
}

// Config sets up a Runtime. The zero value is ready to use; each field names its default.
type Config struct {
	// Cores is the number of cores; default: CPUs of the affinity mask, at most the cgroup CPU quota
	// rounded up. More cores than CPUs are allowed.
	Cores int
	// Pin binds threads to CPUs; default PinAuto.
	Pin PinMode
	// Driver picks io_uring or epoll; default DriverAuto.
	Driver DriverMode

	// Entries and CQEntries size each core's submission and completion queue; defaults 512 and 4096, or Entries if
	// that is more.
	Entries, CQEntries int
	// BufferSize is one provided receive buffer in bytes, a power of two; default 4096. Buffers is how
	// many each core starts with, default 512; the group grows to BuffersMax, default 4096, when the
	// kernel finds it empty.
	BufferSize, Buffers, BuffersMax int

	// TurnBudget bounds how long one turn runs tasks before the kernel is asked again; default 500 µs.
	// A task that computes without parking can exceed it: see StallMax.
	TurnBudget time.Duration
	// StallMax is how long a core's turn may last before the watchdog reports it; default 1 s, negative
	// turns the watchdog off.
	StallMax time.Duration
	// OnStall receives what the watchdog found, on the watchdog's goroutine; default: an error record in
	// Logger.
	OnStall func(Stall)
	// DrainTimeout bounds a graceful Stop: past it parked tasks are ended and connections aborted;
	// default 10 s.
	DrainTimeout time.Duration

	// TasksIdleMax is how many ended coroutines each core keeps for reuse; default 256.
	TasksIdleMax int
	// MailboxMax bounds the functions posted to one core and not yet run; default 65,536. A goroutine
	// that posts to a full mailbox waits.
	MailboxMax int
	// OffloadMax bounds how many Offload calls of one core run at once; default 256. Further ones wait.
	OffloadMax int

	// Off switches off single features that are used by default where the kernel has them.
	Off Off
	// Restrict lets each ring do what percore needs and nothing else, for good: network operations, cancel,
	// poll (IORING_REGISTER_RESTRICTIONS, io_uring_register(2)). It costs nothing; default false, because an
	// operation that a later version needs must then be allowed there. epoll has no rings and ignores it.
	Restrict bool

	// Logger takes warnings and stalls; default slog.Default().
	Logger *slog.Logger
}

// The defaults of Config.
const (
	defaultEntries    = 512
	defaultCQEntries  = 4096
	defaultBufferSize = 4096
	defaultBuffers    = 512
	defaultBuffersMax = 4096
	defaultTurnBudget = 500 * time.Microsecond
	defaultStallMax   = time.Second
	defaultDrain      = 10 * time.Second
	defaultTasksIdle  = 256
	defaultMailboxMax = 1 << 16
	defaultOffloadMax = 256
	coresMax          = 1024
)

func (cfg Config) withDefaults() Config {
	setInt(&cfg.Entries, defaultEntries)
	setInt(&cfg.CQEntries, max(defaultCQEntries, cfg.Entries))
	setInt(&cfg.BufferSize, defaultBufferSize)
	setInt(&cfg.Buffers, defaultBuffers)
	setInt(&cfg.BuffersMax, max(defaultBuffersMax, cfg.Buffers))
	setInt(&cfg.TasksIdleMax, defaultTasksIdle)
	setInt(&cfg.MailboxMax, defaultMailboxMax)
	setInt(&cfg.OffloadMax, defaultOffloadMax)
	setDuration(&cfg.TurnBudget, defaultTurnBudget)
	setDuration(&cfg.StallMax, defaultStallMax)
	setDuration(&cfg.DrainTimeout, defaultDrain)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return cfg
}

func setInt(p *int, v int) {
	if *p == 0 {
		*p = v
	}
}

func setDuration(p *time.Duration, v time.Duration) {
	if *p == 0 {
		*p = v
	}
}

// validate refuses values that could only fail later and less clearly. It wants defaults filled in.
func (cfg Config) validate() error {
	for _, f := range []struct {
		name        string
		v, min, max int
	}{
		{"Cores", cfg.Cores, 0, coresMax},
		{"Entries", cfg.Entries, 1, 32768},
		{"CQEntries", cfg.CQEntries, cfg.Entries, 65536},
		{"BufferSize", cfg.BufferSize, 256, 1 << 20},
		{"Buffers", cfg.Buffers, 1, 32768},
		{"BuffersMax", cfg.BuffersMax, cfg.Buffers, 32768},
		{"TasksIdleMax", cfg.TasksIdleMax, 0, 1 << 20},
		{"MailboxMax", cfg.MailboxMax, 1, 1 << 30},
		{"OffloadMax", cfg.OffloadMax, 1, 1 << 20},
	} {
		if f.v < f.min || f.v > f.max {
			return fmt.Errorf("percore: Config.%s is %d, must be %d to %d", f.name, f.v, f.min, f.max)
		}
	}
	if cfg.BufferSize&(cfg.BufferSize-1) != 0 {
		return fmt.Errorf("percore: Config.BufferSize is %d, must be a power of two", cfg.BufferSize)
	}
	if cfg.Pin > PinAlways || cfg.Driver > DriverEpoll {
		return fmt.Errorf("percore: Config.Pin %d or Config.Driver %d is none of the named modes", cfg.Pin, cfg.Driver)
	}
	return nil
}

// opener makes the driver of one core; it is called on that core's locked thread.
type opener func(core int) (driver.Driver, error)
