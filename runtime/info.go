package coreruntime

import (
	"bytes"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// Info says on what a runtime runs, for start-up screens and logs.
type Info struct {
	Driver string // "uring", "epoll", or "sim" in tests
	// DriverReason is why DriverAuto did not take io_uring: errno, cause and remedy; nil otherwise.
	DriverReason error
	Kernel       string // release
	Cores        int
	Pinned       []int   // CPU of each core; empty when threads are not pinned
	CPUs         int     // of the affinity mask
	MachineCPUs  int     // of the machine
	Quota        float64 // the cgroup's CPUs' worth of time, 0 when unlimited
	GOMAXPROCS   int     // after Start raised it; 0: left alone
	// MappedBytes is the mmap'd memory of all cores at start: GOMEMLIMIT does not see it. It is not
	// pre-populated, so it costs as much as is used.
	MappedBytes uint64
}

// Info returns on what the runtime runs, as of Start.
func (rt *Runtime) Info() Info { return rt.info }

// describe reads the drivers' first counters. Their cores may already turn, so it asks by mail.
func (rt *Runtime) describe(cpus cpuSet, pins pinning) Info {
	info := Info{
		Kernel: kernelRelease(), Cores: len(rt.cores), Pinned: pins, CPUs: len(cpus.mask),
		MachineCPUs: cpus.machine, Quota: cpus.quota, GOMAXPROCS: raiseProcs(len(rt.cores)),
		Driver: string(rt.cores[0].drv.Kind()),
	}
	for _, c := range rt.cores {
		got := make(chan driver.Counters, 1)
		if c.postAlways(func() { got <- c.drv.Counters() }) == nil {
			info.MappedBytes += (<-got).MappedBytes
		}
	}
	return info
}

func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	release, _, _ := bytes.Cut(u.Release[:], []byte{0})
	return string(release)
}
