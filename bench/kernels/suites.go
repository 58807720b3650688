package main

import (
	"cmp"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
)

// plan is one suite: a package of this module, and what of it does not run there.
type plan struct {
	name string
	out  []exclusion
	only string // a -test.run pattern: what of it runs; "" for all
}

// exclusion is a test that does not run, and why. There is no other place that leaves tests out: what a test skips by
// itself is printed with the test's own reason.
type exclusion struct {
	test string // a -test.skip pattern: "TestX" or "TestX/sub"
	why  string
}

// onKernels are the suites for the virtual machines.
func onKernels() []plan {
	return []plan{
		{name: "ring"},
		{name: "internal/driver/socket"},
		{name: "internal/driver/uring"},
		{name: "internal/driver/epoll"},
		{name: "runtime"},
		{name: "net", out: []exclusion{
			{"TestSeeds", simulated},
			{"TestQuietConnectionBesideStarvedUploaders", simulated},
		}},
		{name: "tls", out: []exclusion{{"TestSimSeeds", simulated}}},
		{name: "h2", out: []exclusion{{"TestChaos", "bytes in, bytes out: no kernel takes part, and it takes long"}}},
		{name: "examples/server", only: "TestRefused"}, // by seccomp and by the sysctl, which is the guest's own
	}
}

// simulated is a reason: the tests' own machine runs these, ten times faster.
const simulated = "runs on the simulated driver: no kernel takes part, and it takes long"

// onARM64 are the suites for qemu-user, which runs arm64 code on this machine's kernel and refuses io_uring: what is
// tested is our code on another instruction set, not a kernel.
func onARM64() []plan {
	uring := []exclusion{
		{".*/uring", "qemu-user answers ENOSYS to io_uring_setup; epoll and sim run"},
		{".*/.*/uring", "the same"},
	}
	return []plan{
		{name: "internal/goid"},
		{name: "internal/driver/emulate"},
		{name: "internal/driver/sim"},
		{name: "internal/driver/epoll"},
		{name: "runtime", out: append(uring[:2:2], exclusion{"TestRefusedUring", "starts itself, and this kernel cannot run an arm64 program"})},
		{name: "net", out: append(uring[:2:2],
			exclusion{"TestAcceptWithoutDescriptors", "starts itself, and this kernel cannot run an arm64 program"},
			exclusion{"TestIdleEchoTaskIsSmall", "io_uring only"})},
		{name: "tls", out: uring},
		{name: "h2", out: uring},
	}
}

// skip is the pattern for -test.skip: "|" between the slash separated paths. Short paths come first, because testing
// takes the first path that matches the names so far for its answer: "not yet" if it is longer.
func (p plan) skip() string {
	var patterns []string
	for _, x := range p.out {
		parts := strings.Split(x.test, "/")
		for i, part := range parts {
			parts[i] = "^" + part + "$"
		}
		patterns = append(patterns, strings.Join(parts, "/"))
	}
	slices.SortStableFunc(patterns, func(a, b string) int { return cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")) })
	return strings.Join(patterns, "|")
}

// stale reports exclusions that name no test of the binary: the list must not outlive its reasons.
func (p plan) stale(command ...string) error {
	out, err := exec.Command(command[0], append(command[1:], "-test.list=.")...).Output()
	if err != nil {
		return fmt.Errorf("the tests of %s: %w", p.name, err)
	}
	for _, x := range p.out {
		name, _, _ := strings.Cut(x.test, "/")
		if found, err := regexp.Match("(?m)^"+name+"$", out); err != nil || !found {
			return errors.Join(err, fmt.Errorf("%s has no test %s: remove it from bench/kernels/suites.go", p.name, x.test))
		}
	}
	return nil
}

// choose returns the plans that are named, all if none is; a name may be a folder's last part.
func choose(all []plan, names string) (chosen []plan, err error) {
	if names == "" {
		return all, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(p plan) bool { return p.name == name || path.Base(p.name) == name })
		if i < 0 {
			return nil, fmt.Errorf("no suite %q: there are %s", name, strings.Join(namesOf(all), ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func namesOf(plans []plan) (names []string) {
	for _, p := range plans {
		names = append(names, p.name)
	}
	return names
}
