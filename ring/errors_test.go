package ring

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// One line per cause: the errno alone is ambiguous, the Facts decides.
func TestErrorTable(t *testing.T) {
	for _, tc := range []struct {
		errno   unix.Errno
		missing uint32
		ev      Facts
		want    []string
		not     string
	}{
		{unix.EPERM, 0, Facts{Kernel: "6.8.0", Disabled: 2, Seccomp: 2}, []string{"io_uring_disabled is 2", "sysctl -w kernel.io_uring_disabled=0"}, "seccomp"},
		{unix.EPERM, 0, Facts{Kernel: "6.8.0", Disabled: 1}, []string{"io_uring_disabled is 1", "kernel.io_uring_group"}, "seccomp"},
		{unix.EPERM, 0, Facts{Kernel: "6.8.0", Disabled: 1, UserNS: true}, []string{"io_uring_disabled is 1", "user namespace"}, "security module"},
		{unix.EPERM, 0, Facts{Kernel: "6.8.0", Disabled: 1, Member: true, Seccomp: 2}, []string{"seccomp filter", "--security-opt seccomp="}, "sysctl -w"},
		{unix.EPERM, 0, Facts{Kernel: "6.8.0", Disabled: 0, Seccomp: 2}, []string{"seccomp filter", "kernel.io_uring_disabled is 0", "--security-opt seccomp="}, "sysctl -w"},
		{unix.EPERM, 0, Facts{Kernel: "6.1.0", Disabled: -1, Seccomp: 2}, []string{"seccomp filter", "absent"}, "sysctl -w"},
		{unix.EPERM, 0, Facts{Kernel: "6.8.0", Disabled: 0, Seccomp: 0}, []string{"security module", "Seccomp: 0"}, "--security-opt"},
		{unix.EACCES, 0, Facts{Kernel: "6.8.0"}, []string{"security module"}, ""},
		{unix.ENOSYS, 0, Facts{Kernel: "4.19.0"}, []string{"older than io_uring", "Linux 6.1"}, ""},
		{unix.ENOSYS, 0, Facts{Kernel: "6.8.0", Seccomp: 0}, []string{"CONFIG_IO_URING"}, "--security-opt"},
		{unix.ENOSYS, 0, Facts{Kernel: "6.8.0", Seccomp: 2}, []string{"seccomp filter answers ENOSYS", "--security-opt"}, "CONFIG"},
		{unix.ENOMEM, 0, Facts{Kernel: "5.10.0", Memlock: 65536}, []string{"RLIMIT_MEMLOCK (65536 bytes)"}, ""},
		{unix.ENOMEM, 0, Facts{Kernel: "6.1.0", Memlock: 65536}, []string{"memory.max"}, "MEMLOCK"},
		{unix.EMFILE, 0, Facts{Kernel: "6.1.0"}, []string{"RLIMIT_NOFILE"}, ""},
		{unix.ENFILE, 0, Facts{Kernel: "6.1.0"}, []string{"fs.file-max"}, ""},
		{unix.EINVAL, setupDeferTaskrun, Facts{Kernel: "6.0.9"}, []string{"IORING_SETUP_DEFER_TASKRUN (Linux 6.1)", "kernel 6.0.9", "Linux 6.1"}, ""},
		{unix.EINVAL, setupSingleIssuer, Facts{Kernel: "5.19.0"}, []string{"IORING_SETUP_SINGLE_ISSUER (Linux 6.0)"}, ""},
		{unix.EINVAL, 0, Facts{Kernel: "5.4.0"}, []string{"older than what percore needs"}, ""},
		{unix.EINVAL, 0, Facts{Kernel: "6.8.0"}, []string{"refuses the arguments"}, "older"},
		{unix.ENOTTY, 0, Facts{Kernel: "6.8.0"}, []string{"unexpected", "epoll"}, ""},
	} {
		err := explain("io_uring_setup", tc.errno, tc.missing, tc.ev)
		if !errors.Is(err, tc.errno) {
			t.Errorf("%v: errors.Is does not find the errno", err)
		}
		text := err.Error()
		for _, want := range append(tc.want, tc.ev.Kernel, tc.errno.Error()) {
			if !strings.Contains(text, want) {
				t.Errorf("%v with %+v:\n%s\nlacks %q", tc.errno, tc.ev, text, want)
			}
		}
		if tc.not != "" && strings.Contains(text, tc.not) {
			t.Errorf("%v with %+v:\n%s\nmust not blame %q", tc.errno, tc.ev, text, tc.not)
		}
	}
}

func TestEnterErrnosAreExplained(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.EEXIST: "another thread", unix.EBADR: "lost", unix.EAGAIN: "no memory", unix.EBADF: "closed", unix.EPERM: "seccomp",
		unix.EFAULT: "arguments", unix.ENOTTY: "unexpected",
	} {
		err := ExplainEnter(errno)
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	for _, errno := range []unix.Errno{unix.EINTR, unix.ETIME, unix.EBUSY} {
		if harmless(errno) != 0 {
			t.Errorf("%v must mean: look again", errno)
		}
	}
	if harmless(unix.EEXIST) != unix.EEXIST {
		t.Error("EEXIST must stay an error")
	}
}

func TestStatusField(t *testing.T) {
	const status = "Name:\tx\nSeccomp_filters:\t4\nSeccomp:\t2\nGroups:\t4 24 \n"
	if got := statusField(status, "Seccomp"); got != "2" {
		t.Errorf("Seccomp %q", got)
	}
	if got := statusField(status, "Groups"); got != "4 24" {
		t.Errorf("Groups %q", got)
	}
	if got := statusField(status, "Absent"); got != "" {
		t.Errorf("Absent %q", got)
	}
}

func TestKernelAtLeast(t *testing.T) {
	for _, tc := range []struct {
		release      string
		major, minor int
		want         bool
	}{
		{"6.1.0-13-amd64", 6, 1, true}, {"6.0.19", 6, 1, false}, {"5.15.0", 6, 1, false}, {"7.0.0-rc1", 6, 1, true}, {"6.18.44-fc", 6, 2, true}, {"unknown", 1, 0, false},
	} {
		if got := kernelAtLeast(tc.release, tc.major, tc.minor); got != tc.want {
			t.Errorf("%s >= %d.%d: %v", tc.release, tc.major, tc.minor, got)
		}
	}
}
