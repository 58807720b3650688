package ring

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Facts are what the machine says about io_uring, read and tried out, never guessed from the kernel's version:
// EPERM alone does not tell a sysctl from a seccomp filter. They hold for the thread that gathered them.
type Facts struct {
	Kernel string // release, as uname -r prints it
	// Disabled is the sysctl kernel.io_uring_disabled (Linux 6.6): 0 for everybody, 1 for members only, 2 for
	// nobody; -1: no such sysctl, or no /proc.
	Disabled int
	Group    int  // the sysctl kernel.io_uring_group; -1: none
	Hidden   bool // there is no /proc/sys here (systemd's ProcSubset=pid, a chroot): Disabled and Group are unknown
	// Member says that Disabled = 1 lets this process in: it has CAP_SYS_ADMIN or is in Group, both in the machine's own
	// user namespace. In another one only a trial under Disabled = 1 can tell; without that it is false there.
	Member bool
	UserNS bool // a user namespace of its own, as rootless containers have: see user_namespaces(7)
	// Seccomp is the thread's mode: 0 none, 1 strict, 2 filter, -1 unknown. See proc_pid_status(5).
	Seccomp int
	Memlock uint64 // RLIMIT_MEMLOCK in bytes: bounds rings before Linux 5.12 only
	NoFile  uint64 // RLIMIT_NOFILE: descriptors, thus connections
	// Trials are the answers of io_uring_setup, io_uring_enter and io_uring_register to arguments that no
	// kernel takes; empty in errors of calls that need none.
	Trials []Trial
	// Features are those that percore can use; empty: not asked for.
	Features []Feature
}

// Trial is what one system call answered to arguments that no kernel takes.
type Trial struct {
	Call   string     // as in its manual page
	Errno  unix.Errno // never 0
	Answer string     // Errno by name
	// Reached says that the call came through to io_uring, which complains of the arguments. Otherwise something
	// refused the call itself: the sysctl (which stops io_uring_setup only), a seccomp filter, a security module.
	Reached bool
}

// Gather reads and tries out the facts, Features included. It opens a few small rings and closes them: for
// starts and reports. Any goroutine, but a task delays its core by a millisecond.
func Gather() Facts {
	f := gather()
	f.Features = features()
	return f
}

// gather is Gather without Features: the evidence that explains a refusal.
func gather() Facts {
	f := Facts{Kernel: KernelRelease(), Disabled: sysctl("io_uring_disabled"), Group: sysctl("io_uring_group"), Seccomp: -1, Trials: trials()}
	_, err := os.Stat("/proc/sys/kernel")
	f.Hidden = err != nil
	if b, err := os.ReadFile("/proc/thread-self/status"); err == nil {
		f.Seccomp = atoi(statusField(string(b), "Seccomp"))
		f.UserNS = inUserNS()
		f.Member = f.isMember(string(b))
	}
	f.Memlock, f.NoFile = limit(unix.RLIMIT_MEMLOCK), limit(unix.RLIMIT_NOFILE)
	return f
}

// isMember believes the trial first: the sysctl is all that it has to pass under Disabled = 1. In a user namespace of
// its own, the capabilities and group numbers of status are those of that namespace, and the kernel asks for others
// (capable, in_group_p of a number in init_user_ns).
func (f Facts) isMember(status string) bool {
	switch {
	case f.Disabled == 1 && len(f.Trials) > 0 && f.Trials[0].Reached:
		return true
	case f.UserNS:
		return false
	}
	caps, _ := strconv.ParseUint(statusField(status, "CapEff"), 16, 64)
	return caps&(1<<unix.CAP_SYS_ADMIN) != 0 || f.inGroup(statusField(status, "Groups"))
}

// inUserNS compares with the number that the machine's own user namespace has on every machine (PROC_USER_INIT_INO of
// <linux/proc_ns.h>).
func inUserNS() bool {
	ns, err := os.Readlink("/proc/thread-self/ns/user")
	return err == nil && ns != "user:[4026531837]"
}

func limit(resource int) uint64 {
	var lim unix.Rlimit
	if err := unix.Getrlimit(resource, &lim); err != nil {
		return 0
	}
	return lim.Cur
}

func sysctl(name string) int {
	b, err := os.ReadFile("/proc/sys/kernel/" + name)
	if err != nil {
		return -1
	}
	return atoi(string(b))
}

// trials makes each call in a way that does nothing: the arguments are wrong, and which of them is
// complained of tells how far the call came. io_uring_setup(2) looks at the sysctl first, then at its pointer.
func trials() []Trial {
	const noFD = ^uintptr(0)
	list := []Trial{{Call: "io_uring_setup"}, {Call: "io_uring_enter"}, {Call: "io_uring_register"}}
	_, _, list[0].Errno = unix.Syscall(unix.SYS_IO_URING_SETUP, 0, 0, 0)
	_, _, list[1].Errno = unix.Syscall6(unix.SYS_IO_URING_ENTER, noFD, 0, 0, 0, 0, 0)
	_, _, list[2].Errno = unix.Syscall6(unix.SYS_IO_URING_REGISTER, noFD, registerProbe, 0, 0, 0, 0)
	for i := range list {
		t := &list[i]
		t.Answer = unix.ErrnoName(t.Errno)
		t.Reached = t.Errno == unix.EFAULT || t.Errno == unix.EBADF || t.Errno == unix.EINVAL
	}
	return list
}

// trial is the evidence of the three calls for a message; empty without trials.
func (f Facts) trial() string {
	var b strings.Builder
	for _, t := range f.Trials {
		verdict := "is refused with "
		if t.Reached {
			verdict = "comes through, "
		}
		b.WriteString("; " + t.Call + " " + verdict + t.Answer)
	}
	return b.String()
}

// filtered says that none of the calls that no sysctl stops came through.
func (f Facts) filtered() bool {
	return len(f.Trials) == 3 && !f.Trials[1].Reached && !f.Trials[2].Reached
}

// module says that all three calls came through: who refuses a ring all the same looks at more than the
// number of the call, which is all that containers' filters look at.
func (f Facts) module() bool {
	return len(f.Trials) == 3 && f.Trials[0].Reached && !f.filtered()
}

// setupAlone says that of the three calls only io_uring_setup is refused, which is what the sysctl does.
func (f Facts) setupAlone() bool {
	return len(f.Trials) == 3 && f.Trials[0].Errno == unix.EPERM && f.Trials[1].Reached && f.Trials[2].Reached
}

// hasUring says that the kernel may have io_uring, whatever answers in its place: since 6.6 the sysctl shows it.
func (f Facts) hasUring() bool {
	return kernelAtLeast(f.Kernel, 5, 1) && (f.Disabled >= 0 || f.Hidden || !kernelAtLeast(f.Kernel, 6, 6))
}

// statusField returns the value of one line of /proc/thread-self/status.
func statusField(status, name string) string {
	for line := range strings.Lines(status) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func (f Facts) inGroup(groups string) bool {
	if f.Group < 0 {
		return false
	}
	want := strconv.Itoa(f.Group)
	for _, g := range append(strings.Fields(groups), strconv.Itoa(os.Getegid())) {
		if g == want {
			return true
		}
	}
	return false
}

func atoi(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return -1
	}
	return n
}
