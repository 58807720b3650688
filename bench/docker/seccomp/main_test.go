package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"testing"
)

const file = "../seccomp.json"

func TestFilesAreUpToDate(t *testing.T) {
	for name, want := range map[string][]byte{file: encode(newProfile()), "../seccomp-kubernetes.json": encode(resolve(newProfile()))} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, want) {
			t.Errorf("%s differs from the tables: go run ./bench/docker/seccomp", name)
		}
	}
}

// Without conditions, each rule has to be harmless for a container without capabilities.
func TestResolved(t *testing.T) {
	o := resolve(newProfile())
	calls := map[string]int{}
	for _, r := range o.Syscalls {
		if r.Includes != nil || r.Excludes != nil {
			t.Errorf("%q has a condition", r.Names)
		}
		for _, n := range r.Names {
			calls[n]++
		}
		if slices.Contains(r.Names, "clone") && len(r.Args) != 1 || slices.Contains(r.Names, "clone3") && r.Action != refuse {
			t.Errorf("%+v", r)
		}
	}
	for name, want := range map[string]int{"io_uring_setup": 1, "io_uring_enter": 1, "io_uring_register": 1, "clone": 1, "clone3": 1, "chroot": 1,
		"arch_prctl": 1, "mount": 0, "bpf": 0, "setns": 0, "unshare": 0, "reboot": 0, "init_module": 0, "kexec_load": 0, "keyctl": 0} {
		if calls[name] != want {
			t.Errorf("%s: in %d rules, want %d", name, calls[name], want)
		}
	}
	if !slices.Contains(o.Architectures, "SCMP_ARCH_X86_64") || !slices.Contains(o.Architectures, "SCMP_ARCH_AARCH64") {
		t.Errorf("%q", o.Architectures)
	}
}

// load reads the committed file, refusing fields that dockerd does not know.
func load(t *testing.T) profile {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var p profile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDefaults(t *testing.T) {
	p := load(t)
	if p.DefaultAction != "SCMP_ACT_ERRNO" || p.DefaultErrnoRet != 1 {
		t.Errorf("%s with errno %d", p.DefaultAction, p.DefaultErrnoRet)
	}
	if len(p.ArchMap) != 2 || p.ArchMap[0].Architecture != "SCMP_ARCH_X86_64" || p.ArchMap[1].Architecture != "SCMP_ARCH_AARCH64" {
		t.Errorf("%+v", p.ArchMap)
	}
}

// may are the capabilities with one of which a container may call name, whatever the arguments; "" is none at all.
func may(p profile, name string) (caps []string) {
	for _, r := range p.Syscalls {
		if r.Action != allow || len(r.Args) > 0 || !slices.Contains(r.Names, name) {
			continue
		}
		if r.Includes == nil || len(r.Includes.Caps) == 0 {
			caps = append(caps, "")
			continue
		}
		caps = append(caps, r.Includes.Caps...)
	}
	return caps
}

// What a server needs is free; what takes a machine over is refused, or asks for its capability.
func TestWhoMayCallWhat(t *testing.T) {
	p := load(t)
	for name, want := range map[string][]string{
		"io_uring_setup": {""}, "io_uring_enter": {""}, "io_uring_register": {""}, "epoll_pwait": {""}, "accept4": {""}, "futex": {""},
		"sched_setaffinity": {""}, "eventfd2": {""}, "arch_prctl": {""}, "prlimit64": {""}, "memfd_create": {""},
		"kexec_load": nil, "kexec_file_load": nil, "keyctl": nil, "add_key": nil, "request_key": nil, "userfaultfd": nil, "pivot_root": nil,
		"swapon": nil, "swapoff": nil, "nfsservctl": nil, "vm86": nil, "_sysctl": nil, "uselib": nil, "create_module": nil, "move_pages": nil,
		"bpf": {"CAP_SYS_ADMIN", "CAP_BPF"}, "mount": {"CAP_SYS_ADMIN"}, "setns": {"CAP_SYS_ADMIN"}, "unshare": {"CAP_SYS_ADMIN"},
		"clone": {"CAP_SYS_ADMIN"}, "clone3": {"CAP_SYS_ADMIN"}, "socket": nil, "personality": nil, // the last two by their arguments
		"init_module": {"CAP_SYS_MODULE"}, "reboot": {"CAP_SYS_BOOT"}, "chroot": {"CAP_SYS_CHROOT"}, "ptrace": {"", "CAP_SYS_PTRACE"},
		"open_by_handle_at": {"CAP_DAC_READ_SEARCH"}, "clock_settime": {"CAP_SYS_TIME"}, "perf_event_open": {"CAP_SYS_ADMIN", "CAP_PERFMON"},
	} {
		if got := may(p, name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A container without CAP_SYS_ADMIN makes threads and processes, but no namespaces, and is told to use clone.
func TestConditions(t *testing.T) {
	var clone, clone3, socket, personality int
	for _, r := range load(t).Syscalls {
		withoutAdmin := r.Excludes != nil && slices.Equal(r.Excludes.Caps, []string{"CAP_SYS_ADMIN"})
		switch {
		case slices.Equal(r.Names, []string{"clone"}):
			if !withoutAdmin || !slices.Equal(r.Args, []arg{{Value: 0x7e020000, Op: "SCMP_CMP_MASKED_EQ"}}) {
				t.Errorf("%+v", r)
			}
			clone++
		case slices.Equal(r.Names, []string{"clone3"}):
			if !withoutAdmin || r.Action != "SCMP_ACT_ERRNO" || r.ErrnoRet != 38 {
				t.Errorf("%+v", r)
			}
			clone3++
		case slices.Equal(r.Names, []string{"socket"}):
			if !slices.Equal(r.Args, []arg{{Value: 40, Op: "SCMP_CMP_NE"}}) {
				t.Errorf("%+v", r)
			}
			socket++
		case slices.Equal(r.Names, []string{"personality"}):
			personality++
		}
	}
	if clone != 1 || clone3 != 1 || socket != 1 || personality != 5 {
		t.Errorf("%d clone, %d clone3, %d socket, %d personality", clone, clone3, socket, personality)
	}
}

// A slip of the finger in a name would allow nothing, silently: dockerd skips names that it does not know.
func TestNamesAreWellFormed(t *testing.T) {
	name := regexp.MustCompile(`^_?[a-z][a-z0-9_]+$`)
	for _, r := range load(t).Syscalls {
		for i, n := range r.Names {
			if !name.MatchString(n) || i > 0 && r.Names[i-1] >= n {
				t.Errorf("%q: malformed, out of order or twice", n)
			}
		}
	}
}
