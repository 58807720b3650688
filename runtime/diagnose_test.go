package coreruntime

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/ring"
)

// What Diagnose foretells is what Start does.
func TestDiagnoseAgreesWithStart(t *testing.T) {
	d := Diagnose()
	rt, err := Start(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Stop(t.Context())
	info := rt.Info()
	if d.Driver != info.Driver || (d.Reason == nil) != (info.DriverReason == nil) {
		t.Errorf("foretold %s (%v), got %s (%v)", d.Driver, d.Reason, info.Driver, info.DriverReason)
	}
	if d.Cores != info.Cores || d.Pinned != (len(info.Pinned) > 0) || len(d.Mask) != info.CPUs || d.MachineCPUs != info.MachineCPUs || d.Procs != info.GOMAXPROCS {
		t.Errorf("foretold %+v\ngot %+v", d, info)
	}
}

// Each shortcoming is found, and told with what to change.
func TestFindings(t *testing.T) {
	good := Diagnosis{Driver: "uring", Mask: []int{0, 1}, MachineCPUs: 2, Cores: 2, Ring: ring.Facts{NoFile: 1 << 20}}
	for name, tc := range map[string]struct {
		spoil        func(d *Diagnosis)
		what, change string
	}{
		"nothing": {func(*Diagnosis) {}, "", ""},
		"refused": {func(d *Diagnosis) {
			d.Reason = &ring.Error{Op: "io_uring_setup", Errno: unix.EPERM, Cause: "a filter", Remedy: "take it away"}
		}, "operation not permitted: a filter", "take it away"},
		"odd": {func(d *Diagnosis) { d.Reason = errors.New("odd") }, "odd", "report"},
		"old kernel": {func(d *Diagnosis) {
			d.Ring.Features = []ring.Feature{{Name: "A", Since: "6.6", Has: ring.No}, {Name: "B", Since: "6.15", Has: ring.No}, {Name: "C", Since: "6.9", Has: ring.No}, {Name: "D", Since: "7.0", Has: ring.Unknown}}
		}, "A (6.6), B (6.15), C (6.9)", "Linux 6.15"},
		"descriptors": {func(d *Diagnosis) { d.Ring.NoFile = 1024 }, "1024 descriptors", "RLIMIT_NOFILE"},
		"quota":       {func(d *Diagnosis) { d.Quota = 1.5 }, "quota of 1.50 CPUs", "cpu.max"},
		"mask":        {func(d *Diagnosis) { d.MachineCPUs, d.Cores = 8, 1 }, "2 of 8 CPUs", "PinAlways"},
	} {
		d := good
		tc.spoil(&d)
		list := d.findings()
		if tc.what == "" {
			if len(list) > 0 {
				t.Errorf("%s: %+v", name, list)
			}
			continue
		}
		if len(list) != 1 || !strings.Contains(list[0].What, tc.what) || !strings.Contains(list[0].Change, tc.change) {
			t.Errorf("%s: %+v, want %q and %q", name, list, tc.what, tc.change)
		}
	}
}
