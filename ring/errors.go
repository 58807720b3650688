package ring

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// Error says why the kernel refused io_uring and what to change. errors.Is finds Errno in it.
type Error struct {
	Op     string // the system call
	Errno  unix.Errno
	Cause  string
	Remedy string
	Kernel string // release of the running kernel
	// Facts are what the machine said when the call failed: the evidence for Cause. Its Features are asked
	// for only by Open; the other calls leave them empty. Nil when the errno says it all.
	Facts *Facts
}

// Error is one line: call, errno, cause, kernel, remedy.
func (e *Error) Error() string {
	return fmt.Sprintf("percore: %s: %v: %s (kernel %s): %s", e.Op, e.Errno, e.Cause, e.Kernel, e.Remedy)
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Errno }

// explain makes the error of a failed setup, register or mmap. missing is the required setup flag that
// the kernel refused, 0 if none.
func explain(op string, errno unix.Errno, missing uint32, ev Facts) *Error {
	e := &Error{Op: op, Errno: errno, Kernel: ev.Kernel, Facts: &ev}
	switch errno {
	case unix.ENOSYS:
		e.Cause, e.Remedy = explainNoSys(ev)
	case unix.EPERM, unix.EACCES:
		e.Cause, e.Remedy = explainPerm(ev)
	case unix.ENOMEM:
		e.Cause, e.Remedy = explainNoMem(ev)
	case unix.EMFILE:
		e.Cause, e.Remedy = "the process has no file descriptor left", "raise RLIMIT_NOFILE (ulimit -n, LimitNOFILE= in a systemd unit)"
	case unix.ENFILE:
		e.Cause, e.Remedy = "the machine has no file descriptor left", "raise the sysctl fs.file-max"
	case unix.EINVAL:
		e.Cause, e.Remedy = explainInvalid(missing, ev)
	default:
		e.Cause, e.Remedy = "unexpected answer of the kernel", "use the epoll driver and report this line"
	}
	return e
}

const (
	seccompRemedy = "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile: " +
		"docker run --security-opt seccomp=bench/docker/seccomp.json, or in Kubernetes seccompProfile {type: Localhost} " +
		"(SECURITY.md); or use the epoll driver"
	otherRemedy = "ask for io_uring in the security module's policy (SELinux, AppArmor, a sandbox such as gVisor), or use the epoll driver"
)

func needKernel(release string) string {
	return "run Linux " + release + " or newer, or use the epoll driver"
}

func explainNoSys(ev Facts) (cause, remedy string) {
	switch {
	case ev.Seccomp == 2 && ev.hasUring():
		return "a seccomp filter answers ENOSYS for system calls it does not know (Seccomp: 2 in /proc/self/status" + ev.trial() + ")", seccompRemedy
	case kernelAtLeast(ev.Kernel, 5, 1):
		return "this kernel was built without CONFIG_IO_URING, or a sandbox hides it", "use a kernel with CONFIG_IO_URING=y, or the epoll driver"
	}
	return "this kernel is older than io_uring", needKernel("6.1")
}

// explainPerm looks at the sysctl first, because the kernel does so before it looks at anything else, and
// then at the trial: the sysctl stops io_uring_setup alone, so that a filter is at work besides when the other
// calls do not reach the kernel either.
func explainPerm(ev Facts) (cause, remedy string) {
	cause, remedy = ev.sysctlCause()
	switch {
	case cause != "" && ev.Seccomp == 2 && ev.filtered():
		return cause + "; and a seccomp filter refuses it too (Seccomp: 2" + ev.trial() + ")", "both: " + remedy + "; and " + seccompRemedy
	case cause != "":
		return cause, remedy
	case ev.Seccomp == 2 && !ev.module():
		return fmt.Sprintf("a seccomp filter refuses it (Seccomp: 2 in /proc/self/status, kernel.io_uring_disabled is %s%s)", ev.disabledText(), ev.trial()), seccompRemedy
	}
	return fmt.Sprintf("neither a sysctl (kernel.io_uring_disabled is %s) nor a seccomp filter (Seccomp: %d%s) refuses it, so a security module does",
		ev.disabledText(), ev.Seccomp, ev.trial()), otherRemedy
}

// sysctlCause is empty when the sysctl allows this process io_uring, or does not exist.
func (f Facts) sysctlCause() (cause, remedy string) {
	switch {
	case f.Hidden && f.setupAlone() && kernelAtLeast(f.Kernel, 6, 6):
		return "io_uring_setup alone is refused, which is what the sysctl kernel.io_uring_disabled does; it cannot be read here, without /proc/sys",
			"look at it outside of this sandbox: sysctl -w kernel.io_uring_disabled=0 allows io_uring; or use the epoll driver"
	case f.Disabled == 2:
		return "the sysctl kernel.io_uring_disabled is 2: io_uring is off for every process", "sysctl -w kernel.io_uring_disabled=0, or use the epoll driver"
	case f.Disabled == 1 && !f.Member:
		return "the sysctl kernel.io_uring_disabled is 1: io_uring is for CAP_SYS_ADMIN and the group kernel.io_uring_group only" + f.namespaceText(),
			"run the process in that group (sysctl kernel.io_uring_group), or sysctl -w kernel.io_uring_disabled=0, or use the epoll driver"
	}
	return "", ""
}

// namespaceText keeps a process that is root, but only in its container, from looking in the wrong place.
func (f Facts) namespaceText() string {
	if f.UserNS {
		return ", both of the machine and not of this process's user namespace"
	}
	return ""
}

func (f Facts) disabledText() string {
	switch {
	case f.Hidden:
		return "unknown, without /proc/sys"
	case f.Disabled < 0:
		return "absent"
	}
	return strconv.Itoa(f.Disabled)
}

func explainNoMem(ev Facts) (cause, remedy string) {
	if ev.Kernel != "" && !kernelAtLeast(ev.Kernel, 5, 12) {
		return fmt.Sprintf("the ring does not fit into RLIMIT_MEMLOCK (%d bytes)", ev.Memlock), "raise it (ulimit -l, LimitMEMLOCK=)"
	}
	return "the memory of the cgroup or the machine is used up: rings are charged to the cgroup",
		"raise memory.max of the cgroup, or use fewer cores, entries or buffers"
}

func explainInvalid(missing uint32, ev Facts) (cause, remedy string) {
	for _, f := range required() {
		if f.bit == missing {
			return "this kernel does not know " + f.name + " (Linux " + f.since + ")", needKernel("6.1")
		}
	}
	if !kernelAtLeast(ev.Kernel, kernelBaselineMajor, kernelBaselineMinor) {
		return "this kernel is older than what percore needs", needKernel("6.1")
	}
	return "the kernel refuses the arguments", "choose other sizes, or use the epoll driver and report this line"
}

// ExplainEnter makes an error of what Submit, Poll or Wait returned: the errno table of io_uring_enter(2).
func ExplainEnter(errno unix.Errno) *Error {
	e := &Error{Op: "io_uring_enter", Errno: errno, Kernel: KernelRelease(), Remedy: "this is a fault of percore: please report this line"}
	switch errno {
	case unix.EAGAIN, unix.ENOMEM:
		e.Cause, e.Remedy = "the kernel has no memory for another request", "raise memory.max of the cgroup, or serve fewer connections"
	case unix.EBADR:
		e.Cause, e.Remedy = "completions were lost for want of memory while the completion queue was full", "raise memory.max of the cgroup, and use more completion queue entries"
	case unix.EEXIST:
		e.Cause = "the ring was entered by another thread than the one that opened it"
	case unix.EBADF, unix.EBADFD, unix.EOPNOTSUPP, unix.ENXIO:
		e.Cause = "the ring's descriptor is closed or is no ring (has somebody closed a foreign descriptor?)"
	case unix.EPERM:
		e.Cause, e.Remedy = "a seccomp filter that came after the start refuses it", seccompRemedy
	case unix.EFAULT, unix.EINVAL:
		e.Cause = "the arguments are wrong"
	default:
		e.Cause = "unexpected answer of the kernel"
	}
	return e
}
