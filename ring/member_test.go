package ring

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// What a process may do in a user namespace of its own says nothing of what the sysctl's kernel asks for.
func TestMember(t *testing.T) {
	const root, user = "CapEff:\t000001ffffffffff\nGroups:\t\n", "CapEff:\t0000000000000000\nGroups:\t4 77 \n"
	passed, stopped := answers(unix.EFAULT, unix.EBADF, unix.EINVAL), answers(unix.EPERM, unix.EBADF, unix.EINVAL)
	for name, tc := range map[string]struct {
		facts  Facts
		status string
		want   bool
	}{
		"root":                              {Facts{Group: -1, Trials: passed}, root, true},
		"a user":                            {Facts{Group: -1, Trials: passed}, user, false},
		"in the group":                      {Facts{Group: 77, Trials: passed}, user, true},
		"root of a namespace":               {Facts{Group: -1, UserNS: true, Trials: passed}, root, false},
		"the group's number in a namespace": {Facts{Group: 77, UserNS: true, Trials: passed}, user, false},
		"in the group, from a namespace, by trial": {Facts{Disabled: 1, Group: 77, UserNS: true, Trials: passed}, "", true},
		"root of a namespace, by trial":            {Facts{Disabled: 1, Group: -1, UserNS: true, Trials: stopped}, root, false},
	} {
		if got := tc.facts.isMember(tc.status); got != tc.want {
			t.Errorf("%s: member %v", name, got)
		}
	}
}

// A real namespace, as a rootless container has one: its root is not the machine's.
func TestMemberInAUserNamespace(t *testing.T) {
	if os.Getenv("PERCORE_MEMBER") != "" {
		if f := gather(); f.Member || !f.UserNS {
			t.Errorf("root of a user namespace is taken for the machine's: %+v", f)
		}
		return
	}
	if gather().Disabled == 1 || inUserNS() {
		t.Skip("needs kernel.io_uring_disabled other than 1, and the machine's own user namespace")
	}
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run=^TestMemberInAUserNamespace$")
	cmd.Env = append(os.Environ(), "PERCORE_MEMBER=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if len(out) == 0 {
		t.Skipf("needs user namespaces: raise the sysctl user.max_user_namespaces: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}
