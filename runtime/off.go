package coreruntime

import (
	"fmt"
	"slices"
	"strings"

	"github.com/percore/percore/ring"
)

// Off names features that percore uses by default where the kernel has them. They are here for comparisons, and for
// a kernel whose feature turns out to be broken. The gains were measured on Linux 6.18.
type Off struct {
	NoSQArray      bool // IORING_SETUP_NO_SQARRAY, 6.6: 3 % of an enter with 16 ops
	RegisteredRing bool // IORING_REGISTER_RING_FDS, 5.18: 47 of 412 ns of an enter
	RegisteredWait bool // IORING_REGISTER_MEM_REGION, 6.13: 30 of 375 ns of an enter that sleeps
	NoIOWait       bool // IORING_ENTER_NO_IOWAIT, 6.15: a sleeping core does not count as iowait
	// InlineSend sends small output by a system call of its own at the end of the turn instead of an op on
	// the ring: 12 % of an echo on 512 connections, nothing on 64.
	InlineSend bool
}

// names are the words of ParseOff, each with its field.
func (o *Off) names() map[string]*bool {
	return map[string]*bool{"no-sqarray": &o.NoSQArray, "registered-ring": &o.RegisteredRing, "registered-wait": &o.RegisteredWait,
		"no-iowait": &o.NoIOWait, "inline-send": &o.InlineSend}
}

// ParseOff reads a comma-separated list of no-sqarray, registered-ring, registered-wait, no-iowait and inline-send.
// Empty is none. The error names an unknown word and those there are. Any goroutine.
func ParseOff(list string) (o Off, err error) {
	fields := o.names()
	for word := range strings.SplitSeq(list, ",") {
		if word == "" {
			continue
		}
		field, ok := fields[word]
		if !ok {
			words := make([]string, 0, len(fields))
			for w := range fields {
				words = append(words, w)
			}
			slices.Sort(words)
			return Off{}, fmt.Errorf("unknown feature %q: use some of %s", word, strings.Join(words, ", "))
		}
		*field = true
	}
	return o, nil
}

// ring is what the rings are made with, sizes apart.
func (cfg Config) ring() ring.Config {
	off := func(o bool) ring.Switch {
		if o {
			return ring.Off
		}
		return ring.Auto
	}
	return ring.Config{NoSQArray: off(cfg.Off.NoSQArray), RegisterFD: off(cfg.Off.RegisteredRing),
		RegisterWait: off(cfg.Off.RegisteredWait), NoIOWait: off(cfg.Off.NoIOWait), Restrict: cfg.Restrict}
}
