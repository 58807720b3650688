package coreruntime

import (
	"strings"
	"testing"

	"github.com/percore/percore/ring"
)

func TestParseOff(t *testing.T) {
	o, err := ParseOff("no-iowait,registered-wait")
	if err != nil || o != (Off{NoIOWait: true, RegisteredWait: true}) {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err = ParseOff(""); err != nil || o != (Off{}) {
		t.Errorf("empty: %+v, %v", o, err)
	}
	if _, err = ParseOff("no-iowait,zerocopy"); err == nil || !strings.Contains(err.Error(), "zerocopy") || !strings.Contains(err.Error(), "inline-send") {
		t.Errorf("unknown: %v", err)
	}
}

// Every word reaches the switch of its own, and only that one.
func TestOffReachesTheRing(t *testing.T) {
	for word, want := range map[string]ring.Config{
		"no-sqarray": {NoSQArray: ring.Off}, "registered-ring": {RegisterFD: ring.Off},
		"registered-wait": {RegisterWait: ring.Off}, "no-iowait": {NoIOWait: ring.Off}, "inline-send": {},
	} {
		o, err := ParseOff(word)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Config{Off: o}).ring(); got != want {
			t.Errorf("%s: %+v", word, got)
		}
	}
	if !(Config{Restrict: true}).ring().Restrict {
		t.Error("Restrict does not reach the ring")
	}
}
