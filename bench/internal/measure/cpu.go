package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the CPU time that process pid has used so far, all threads, dead ones too (clock_getcpuclockid(3)).
func CPU(pid int) (time.Duration, error) {
	const sched = 2 // CPUCLOCK_SCHED of a process: see the kernel's posix-timers_types.h
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// Split returns how much of process pid's CPU time was its own and how much the kernel's on its behalf, from
// proc_pid_stat(5): in ticks of 10 ms, so it is for the sum of many runs.
func Split(pid int) (user, kernel time.Duration, err error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // the name may hold anything
	const utime, stime, tick = 11, 12, 10 * time.Millisecond
	if len(fields) <= stime {
		return 0, 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	u, err := strconv.Atoi(fields[utime])
	if err != nil {
		return 0, 0, err
	}
	k, err := strconv.Atoi(fields[stime])
	return time.Duration(u) * tick, time.Duration(k) * tick, err
}

// CPUs picks one CPU for the server and another for the load.
func CPUs() (server, load int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, 0, err
	}
	var found []int
	for i := 0; i < 1024 && len(found) < 2; i++ {
		if set.IsSet(i) {
			found = append(found, i)
		}
	}
	if len(found) < 2 {
		return 0, 0, errors.New("two CPUs are needed, one for the server and one for the load")
	}
	return found[0], found[1], nil
}

// onCPU runs fn on a thread bound to cpu: a process that fn starts inherits the binding.
func onCPU(cpu int, fn func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("bind to CPU %d: %w", cpu, err)
	}
	defer unix.SchedSetaffinity(0, &before)
	return fn()
}
