package ring

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// flag is a setup flag with the kernel that brought it.
type flag struct {
	bit   uint32
	name  string
	since string
}

// The flags without which a ring is not worth having (DEFER_TASKRUN is the decisive one, and it needs
// SINGLE_ISSUER), and those a ring can do without, newest first.
func required() []flag {
	return []flag{{setupDeferTaskrun, "IORING_SETUP_DEFER_TASKRUN", "6.1"}, {setupSingleIssuer, "IORING_SETUP_SINGLE_ISSUER", "6.0"}}
}

func droppable() []flag {
	return []flag{
		{setupNoSQArray, "IORING_SETUP_NO_SQARRAY", "6.6"},
		{setupTaskrunFlag, "IORING_SETUP_TASKRUN_FLAG", "5.19"},
		{setupCoopTaskrun, "IORING_SETUP_COOP_TASKRUN", "5.19"},
		{setupSubmitAll, "IORING_SETUP_SUBMIT_ALL", "5.18"},
		{setupClamp, "IORING_SETUP_CLAMP", "5.6"},
		{setupCQSize, "IORING_SETUP_CQSIZE", "5.5"},
	}
}

const (
	entriesDefault = 512
	entriesMax     = 32768 // IORING_MAX_ENTRIES
	cqFactor       = 8
)

// setupCall is io_uring_setup(2); tests put another kernel in its place.
type setupCall func(entries uint32, p *params) (fd int, errno unix.Errno)

func setup(cfg Config) (*params, int, error) {
	entries, want, err := checkConfig(cfg)
	if err != nil {
		return nil, -1, err
	}
	return climb(entries, want, sysSetup, gather)
}

// checkConfig turns cfg into the arguments of the first try.
func checkConfig(cfg Config) (uint32, params, error) {
	entries, cqEntries := cfg.Entries, cfg.CQEntries
	if entries == 0 {
		entries = entriesDefault
	}
	if cqEntries == 0 {
		cqEntries = min(cqFactor*entries, 2*entriesMax)
	}
	if entries < 1 || entries > entriesMax || cqEntries < entries || cqEntries > 2*entriesMax {
		return 0, params{}, fmt.Errorf("percore: io_uring with %d entries and %d completion entries: choose 1..%d entries, and as many to %d completion entries: %w",
			entries, cqEntries, entriesMax, 2*entriesMax, unix.EINVAL)
	}
	p := params{cqEntries: uint32(cqEntries), flags: setupRDisabled}
	for _, f := range append(required(), droppable()...) {
		p.flags |= f.bit
	}
	if cfg.NoSQArray == Off {
		p.flags &^= setupNoSQArray
	}
	return uint32(entries), p, nil
}

// climb tries the best flags first and drops the droppable ones, one at a time, while the kernel says
// EINVAL and only then: any other errno has nothing to do with flags.
func climb(entries uint32, want params, call setupCall, ev func() Facts) (*params, int, error) {
	p, fd, errno := try(entries, want, call)
	for _, f := range droppable() {
		if errno != unix.EINVAL {
			break
		}
		if want.flags&f.bit != 0 {
			want.flags &^= f.bit
			p, fd, errno = try(entries, want, call)
		}
	}
	if errno == 0 {
		return p, fd, nil
	}
	return nil, -1, explain("io_uring_setup", errno, refused(entries, errno, call), ev())
}

func try(entries uint32, want params, call setupCall) (*params, int, unix.Errno) {
	p := new(params)
	*p = want
	fd, errno := call(entries, p)
	return p, fd, errno
}

// refused finds the required flag that the kernel does not know: the first without which it agrees.
func refused(entries uint32, errno unix.Errno, call setupCall) uint32 {
	if errno != unix.EINVAL {
		return 0
	}
	for _, flags := range []uint32{setupSingleIssuer, 0} {
		if _, fd, errno := try(entries, params{flags: flags}, call); errno == 0 {
			unix.Close(fd)
			if flags == 0 {
				return setupSingleIssuer
			}
			return setupDeferTaskrun
		}
	}
	return 0
}

func sysSetup(entries uint32, p *params) (int, unix.Errno) {
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
	return int(fd), errno
}
