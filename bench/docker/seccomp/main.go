package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	dir := flag.String("dir", "bench/docker", "`folder` to write to")
	flag.Parse()
	p := newProfile()
	err := errors.Join(
		os.WriteFile(filepath.Join(*dir, "seccomp.json"), encode(p), 0o644),
		os.WriteFile(filepath.Join(*dir, "seccomp-kubernetes.json"), encode(resolve(p)), 0o644),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, "seccomp:", err)
		os.Exit(1)
	}
}

// profile is Docker's form of a seccomp profile: the OCI runtime's, with conditions that dockerd resolves.
type profile struct {
	DefaultAction   string `json:"defaultAction"`
	DefaultErrnoRet uint   `json:"defaultErrnoRet"`
	ArchMap         []arch `json:"archMap"`
	Syscalls        []rule `json:"syscalls"`
}

type arch struct {
	Architecture     string   `json:"architecture"`
	SubArchitectures []string `json:"subArchitectures"`
}

type rule struct {
	Names    []string   `json:"names"`
	Action   string     `json:"action"`
	ErrnoRet uint       `json:"errnoRet,omitempty"`
	Args     []arg      `json:"args,omitempty"`
	Comment  string     `json:"comment,omitempty"`
	Includes *condition `json:"includes,omitempty"`
	Excludes *condition `json:"excludes,omitempty"`
}

type arg struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo"`
	Op       string `json:"op"`
}

type condition struct {
	Arches    []string `json:"arches,omitempty"`
	Caps      []string `json:"caps,omitempty"`
	MinKernel string   `json:"minKernel,omitempty"`
}

const (
	allow  = "SCMP_ACT_ALLOW"
	refuse = "SCMP_ACT_ERRNO"
)

// namespaces are the flags of clone(2) that make one: for CAP_SYS_ADMIN only.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
	unix.CLONE_NEWPID | unix.CLONE_NEWNET

func newProfile() profile {
	p := profile{DefaultAction: refuse, DefaultErrnoRet: uint(unix.EPERM), ArchMap: []arch{
		{"SCMP_ARCH_X86_64", []string{"SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
		{"SCMP_ARCH_AARCH64", []string{"SCMP_ARCH_ARM"}},
	}}
	p.Syscalls = []rule{
		{Names: always(), Action: allow},
		{Names: uringCalls(), Action: allow, Comment: "io_uring, for percore: not in Docker's default profile since 25.0"},
		{Names: strings.Fields("process_vm_readv process_vm_writev ptrace"), Action: allow, Includes: &condition{MinKernel: "4.8"}},
		{Names: []string{"socket"}, Action: allow, Args: []arg{{Value: unix.AF_VSOCK, Op: "SCMP_CMP_NE"}}},
	}
	for _, persona := range []uint64{0, 0x8, 0x20000, 0x20008, 0xffffffff} { // Linux, 32 bit Linux, both with UNAME26, and a question
		p.Syscalls = append(p.Syscalls, rule{Names: []string{"personality"}, Action: allow, Args: []arg{{Value: persona, Op: "SCMP_CMP_EQ"}}})
	}
	p.Syscalls = append(p.Syscalls,
		rule{Names: strings.Fields("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
			Action: allow, Includes: &condition{Arches: []string{"arm", "arm64"}}},
		rule{Names: []string{"arch_prctl"}, Action: allow, Includes: &condition{Arches: []string{"amd64", "x32"}}},
		rule{Names: []string{"modify_ldt"}, Action: allow, Includes: &condition{Arches: []string{"amd64", "x32", "x86"}}},
	)
	return p.withCapabilities()
}

// withCapabilities adds what depends on them. clone3(2) hides its flags from a filter: ENOSYS makes the C library use clone.
func (p profile) withCapabilities() profile {
	admin := &condition{Caps: []string{"CAP_SYS_ADMIN"}}
	for _, c := range byCapability() {
		p.Syscalls = append(p.Syscalls, rule{Names: strings.Fields(c.calls), Action: allow, Includes: &condition{Caps: []string{c.name}}})
	}
	p.Syscalls = append(p.Syscalls,
		rule{Names: []string{"clone"}, Action: allow, Args: []arg{{Value: namespaces, Op: "SCMP_CMP_MASKED_EQ"}}, Excludes: admin},
		rule{Names: []string{"clone3"}, Action: refuse, ErrnoRet: uint(unix.ENOSYS), Excludes: admin},
	)
	for i := range p.Syscalls {
		slices.Sort(p.Syscalls[i].Names)
	}
	return p
}

func encode(p any) []byte {
	text, err := json.MarshalIndent(p, "", "\t")
	if err != nil {
		panic("BUG: " + err.Error()) // strings and numbers only
	}
	return append(text, '\n')
}
