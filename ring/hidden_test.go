package ring

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A hardened service sees no /proc/sys: what cannot be read is not absent.
func TestHiddenSysctl(t *testing.T) {
	if os.Getenv("PERCORE_HIDDEN") != "" {
		if err := unix.Mount("none", "/proc/sys", "tmpfs", 0, ""); err != nil {
			t.Skipf("needs mounts in a user namespace: run it outside of a container: %v", err)
		}
		if f := gather(); !f.Hidden || f.Disabled >= 0 {
			t.Errorf("/proc/sys is hidden: %+v", f)
		}
		return
	}
	if gather().Hidden {
		t.Error("/proc/sys is there")
	}
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run=^TestHiddenSysctl$")
	cmd.Env = append(os.Environ(), "PERCORE_HIDDEN=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case len(out) == 0:
		t.Skipf("needs user namespaces: raise the sysctl user.max_user_namespaces: %v", err)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case strings.Contains(string(out), "SKIP"):
		t.Skipf("needs mounts in a user namespace: run it outside of a container: %s", out)
	}
}
