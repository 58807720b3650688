package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/ring"
	"github.com/percore/percore/runtime"
)

// refused is a machine whose container refuses io_uring.
func refused() coreruntime.Diagnosis {
	return coreruntime.Diagnosis{
		Driver: "epoll", Mask: []int{0, 1, 2, 5}, MachineCPUs: 8, Quota: 1.5, Cores: 2,
		Reason: &ring.Error{Op: "io_uring_setup", Errno: unix.EPERM, Cause: "a seccomp filter refuses it", Remedy: "allow it"},
		Ring: ring.Facts{Kernel: "6.12.1", Disabled: 0, Group: -1, Seccomp: 2, Memlock: 8 << 20, NoFile: unix.RLIM_INFINITY,
			Trials:   []ring.Trial{{Call: "io_uring_setup", Errno: unix.EPERM, Answer: "EPERM"}},
			Features: []ring.Feature{{Name: "IORING_FEAT_NODROP", Since: "5.5", Gain: "gain", Required: true, Has: ring.Unknown}}},
		Findings: []coreruntime.Finding{{What: "io_uring cannot be used", Change: "allow it"}},
	}
}

func TestScreen(t *testing.T) {
	var out, errOut bytes.Buffer
	if status := run(nil, &out, &errOut, refused); status != 1 || errOut.Len() > 0 {
		t.Errorf("status %d, %s", status, &errOut)
	}
	for _, want := range []string{
		"linux 6.12.1", "auto takes epoll", "kernel.io_uring_disabled 0", "kernel.io_uring_group none", "2: a filter", "io_uring_setup     refused (EPERM)",
		"memlock 8388608", "nofile unlimited", "0-2,5 of the mask (4 of 8 in the machine), quota 1.50", "cores     2", "* unknown FEAT_NODROP", "-> allow it",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &out)
		}
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if status := run([]string{"-json"}, &out, &out, refused); status != 1 {
		t.Errorf("status %d", status)
	}
	var got struct {
		Driver, Reason string
		Ring           ring.Facts
		Findings       []coreruntime.Finding
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Driver != "epoll" || !strings.Contains(got.Reason, "a seccomp filter refuses it") || got.Ring.Trials[0].Answer != "EPERM" || len(got.Findings) != 1 {
		t.Errorf("%s", &out)
	}
}

// On this machine it is one screen, and the exit status says which driver.
func TestThisMachine(t *testing.T) {
	var out, errOut bytes.Buffer
	d := coreruntime.Diagnose()
	status := run(nil, &out, &errOut, func() coreruntime.Diagnosis { return d })
	if (status == 0) != (d.Driver == "uring") || strings.Count(out.String(), "\n") > 50 {
		t.Errorf("status %d\n%s", status, &out)
	}
}

func TestWrongFlags(t *testing.T) {
	for args, want := range map[string]int{"-help": 0, "-nosuch": 2, "extra": 2} {
		var out bytes.Buffer
		if got := run([]string{args}, &out, &out, refused); got != want || out.Len() == 0 {
			t.Errorf("%s: %d, %q", args, got, &out)
		}
	}
}
