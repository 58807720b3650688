package coreruntime

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/percore/percore/ring"
)

// Diagnosis is what this machine offers a Runtime with the zero Config, and what to change to get the rest.
type Diagnosis struct {
	Ring ring.Facts // of io_uring: kernel, features, sysctl, seccomp, limits

	// Driver is what DriverAuto takes, found by opening one: "uring" or "epoll".
	Driver string
	// Reason is why it is not io_uring, mostly a *ring.Error; nil if it is.
	Reason error

	Mask        []int   // CPUs of the affinity mask (also a cpuset's): sched_getaffinity(2)
	MachineCPUs int     // online
	Quota       float64 // the cgroup's CPUs' worth of time, 0 when unlimited
	Cores       int     // that Start makes
	Pinned      bool    // whether PinAuto binds their threads
	GOMAXPROCS  int     // now
	Procs       int     // what Start raises GOMAXPROCS to; the same if it is enough already

	// Findings are what could be better, the gravest first; empty when nothing could.
	Findings []Finding
}

// Finding is one thing that percore could use and does not get, or that bounds it.
type Finding struct {
	What   string // in one line
	Change string // what to change
}

// nofileLow is the number of descriptors below which a server of connections is bounded by them.
const nofileLow = 65536

// Diagnose looks at the machine as Start would. It opens a driver and closes it: any goroutine, but it takes
// milliseconds, and seccomp is the calling thread's.
func Diagnose() Diagnosis {
	cpus := machineCPUs()
	d := Diagnosis{
		Ring: ring.Gather(), Mask: cpus.mask, MachineCPUs: cpus.machine, Quota: cpus.quota,
		Cores: cpus.defaultCores(), GOMAXPROCS: runtime.GOMAXPROCS(0),
	}
	d.Pinned = len(cpus.pins(PinAuto, d.Cores)) > 0
	d.Procs = max(d.GOMAXPROCS, 2*d.Cores)
	d.Driver, d.Reason = tryUring()
	d.Findings = d.findings()
	return d
}

// tryUring opens and closes the driver that DriverAuto prefers.
func tryUring() (string, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	drv, err := uringOpener(Config{}.withDefaults())(0)
	if err != nil {
		return "epoll", err
	}
	return "uring", drv.Close()
}

func (d *Diagnosis) findings() (list []Finding) {
	add := func(change, what string, args ...any) {
		list = append(list, Finding{What: fmt.Sprintf(what, args...), Change: change})
	}
	if e := (*ring.Error)(nil); errors.As(d.Reason, &e) {
		add(e.Remedy, "io_uring cannot be used: %s: %v: %s", e.Op, e.Errno, e.Cause)
	} else if d.Reason != nil {
		add("use the epoll driver and report this line", "io_uring cannot be used: %v", d.Reason)
	}
	if lacks, since := d.lacking(); len(lacks) > 0 {
		add("run Linux "+since+" or newer for all of them", "this kernel lacks %s", strings.Join(lacks, ", "))
	}
	if d.Ring.NoFile < nofileLow {
		add("raise RLIMIT_NOFILE (ulimit -n, LimitNOFILE= in a systemd unit, docker run --ulimit nofile=)",
			"%d descriptors bound the number of connections", d.Ring.NoFile)
	}
	if d.Quota > 0 && d.Quota < float64(len(d.Mask)) {
		add("give whole CPUs instead of a quota (cpuset, Kubernetes' static CPU manager), or raise cpu.max",
			"the cgroup's quota of %.2f CPUs stops cores in the middle of their work when it is used up", d.Quota)
	}
	if len(d.Mask) < d.MachineCPUs && !d.Pinned {
		add("ask for it (PinAlways), or let the quota match the mask", "%d of %d CPUs are allowed and %d cores are made: threads are not pinned",
			len(d.Mask), d.MachineCPUs, d.Cores)
	}
	return list
}

// lacking are the features that were tried and refused, with the newest release that any of them needs.
func (d *Diagnosis) lacking() (names []string, since string) {
	newest := [2]int{}
	for _, f := range d.Ring.Features {
		if f.Has != ring.No {
			continue
		}
		names = append(names, f.Name+" ("+f.Since+")")
		var v [2]int
		if n, _ := fmt.Sscanf(f.Since, "%d.%d", &v[0], &v[1]); n == 2 && (v[0] > newest[0] || v[0] == newest[0] && v[1] > newest[1]) {
			newest, since = v, f.Since
		}
	}
	return names, since
}
