package main

import "slices"

// ociProfile is the OCI runtime's own form, which knows no conditions: containerd takes a profile of Kubernetes' type
// Localhost as it is, so that a rule for CAP_SYS_ADMIN would hold for everybody.
type ociProfile struct {
	DefaultAction   string   `json:"defaultAction"`
	DefaultErrnoRet uint     `json:"defaultErrnoRet"`
	Architectures   []string `json:"architectures"`
	Syscalls        []rule   `json:"syscalls"`
}

// given are the capabilities of a container that asks for none and drops none, as far as rules depend on them.
func given() []string { return []string{"CAP_SYS_CHROOT"} }

// resolve decides every condition for such a container. A rule for one architecture stays: on the other no such call exists.
func resolve(p profile) ociProfile {
	o := ociProfile{DefaultAction: p.DefaultAction, DefaultErrnoRet: p.DefaultErrnoRet}
	for _, a := range p.ArchMap {
		o.Architectures = append(append(o.Architectures, a.Architecture), a.SubArchitectures...)
	}
	for _, r := range p.Syscalls {
		if r.Includes != nil && len(r.Includes.Caps) > 0 && !overlap(r.Includes.Caps, given()) ||
			r.Excludes != nil && overlap(r.Excludes.Caps, given()) {
			continue
		}
		r.Includes, r.Excludes, r.Comment = nil, nil, ""
		o.Syscalls = append(o.Syscalls, r)
	}
	return o
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
