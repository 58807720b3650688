package coreruntime

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// cpuSet is what this process may use.
type cpuSet struct {
	mask    []int   // CPUs of the affinity mask, in order
	machine int     // CPUs of the machine that are online
	quota   float64 // CPUs' worth of time the cgroup grants, 0 when unlimited
}

const maskCPUsMax = 1024

func machineCPUs() cpuSet {
	s := cpuSet{machine: onlineCPUs(), quota: cgroupQuota("/")}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		for i := range runtime.NumCPU() {
			s.mask = append(s.mask, i)
		}
		return s
	}
	for i := range maskCPUsMax {
		if set.IsSet(i) {
			s.mask = append(s.mask, i)
		}
	}
	return s
}

// defaultCores is one core for each CPU of the mask, at most the quota rounded up: with fewer CPUs' worth
// of time than cores, the kernel's throttling would stop a whole core's connections at once.
func (s cpuSet) defaultCores() int {
	n := len(s.mask)
	if s.quota > 0 {
		n = min(n, int(s.quota+0.999))
	}
	return min(max(n, 1), coresMax)
}

// pinning is the CPU of each core; empty: not pinned.
type pinning []int

func (p pinning) of(core int) int {
	if len(p) == 0 {
		return -1
	}
	return p[core]
}

// pins decides by the rule of PinMode which CPU each core gets.
func (s cpuSet) pins(mode PinMode, cores int) pinning {
	owned := cores == len(s.mask) && len(s.mask) < s.machine
	if cores > len(s.mask) || mode == PinNever || mode == PinAuto && !owned {
		return nil
	}
	return append(pinning(nil), s.mask[:cores]...)
}

// pinThread binds the calling thread, which must be locked to its goroutine, to one CPU.
func pinThread(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("bind thread to CPU %d (sched_setaffinity(2)); use PinNever where it is not allowed: %w", cpu, err)
	}
	return nil
}

// raiseProcs gives the Go scheduler twice as many processors as there are cores: a core asleep in the
// kernel loses its processor, and with none spare its wake-up waits behind busy goroutines (5-10 ms p99
// with cores + 1, 0.2-1.7 ms with 2 x cores). It is only ever raised.
func raiseProcs(cores int) int {
	if now := runtime.GOMAXPROCS(0); now >= 2*cores {
		return now
	}
	runtime.GOMAXPROCS(2 * cores)
	return 2 * cores
}
