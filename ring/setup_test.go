package ring

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// oldKernel answers setup like a kernel that knows only the flags in known.
func oldKernel(known uint32, tries *[]uint32) setupCall {
	return func(entries uint32, p *params) (int, unix.Errno) {
		*tries = append(*tries, p.flags)
		if p.flags&^known != 0 || p.flags&setupDeferTaskrun != 0 && p.flags&setupSingleIssuer == 0 {
			return -1, unix.EINVAL
		}
		return -1, 0 // never a real descriptor: refused closes it
	}
}

func firstTry(t *testing.T) (uint32, params) {
	t.Helper()
	entries, p, err := checkConfig(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return entries, p
}

func TestFlagsAreDroppedOneByOne(t *testing.T) {
	entries, want := firstTry(t)
	known := want.flags
	for i, f := range append([]flag{{0, "nothing", ""}}, droppable()...) {
		known &^= f.bit
		var tries []uint32
		p, _, err := climb(entries, want, oldKernel(known, &tries), gather)
		if err != nil {
			t.Fatalf("without %s: %v", f.name, err)
		}
		if p.flags != known {
			t.Errorf("without %s: flags %#x, want %#x", f.name, p.flags, known)
		}
		if len(tries) != i+1 {
			t.Errorf("without %s: %d tries, want %d", f.name, len(tries), i+1)
		}
	}
}

func TestRequiredFlagsAreNamed(t *testing.T) {
	entries, want := firstTry(t)
	ev := func() Facts { return Facts{Kernel: "5.15.0-91-generic"} }
	for _, tc := range []struct {
		known uint32
		want  string
	}{
		{setupSingleIssuer, "IORING_SETUP_DEFER_TASKRUN (Linux 6.1)"},
		{0, "IORING_SETUP_SINGLE_ISSUER (Linux 6.0)"},
	} {
		var tries []uint32
		_, _, err := climb(entries, want, oldKernel(tc.known, &tries), ev)
		if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "5.15.0-91") {
			t.Errorf("%v, want one that names %s and the kernel", err, tc.want)
		}
	}
}

func TestOtherErrnosDropNoFlag(t *testing.T) {
	entries, want := firstTry(t)
	for _, errno := range []unix.Errno{unix.EPERM, unix.ENOSYS, unix.ENOMEM, unix.EMFILE} {
		tries := 0
		_, _, err := climb(entries, want, func(uint32, *params) (int, unix.Errno) { tries++; return -1, errno }, gather)
		if tries != 1 || !errors.Is(err, errno) {
			t.Errorf("%v: %d tries, %v", errno, tries, err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{Entries: -1}, {Entries: entriesMax + 1}, {Entries: 64, CQEntries: 32}, {CQEntries: 2*entriesMax + 1}, {CQEntries: -5}} {
		if _, err := Open(cfg); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%+v: %v, want EINVAL", cfg, err)
		}
	}
}

func TestMissingOpcodeIsNamed(t *testing.T) {
	p := new(probe)
	for i := range p.ops {
		p.ops[i].flags = probeOpSupported
	}
	if name := missingOpcode(p); name != "" {
		t.Errorf("%s is missing though all are there", name)
	}
	p.ops[opConnect].flags = 0
	if name := missingOpcode(p); name != "IORING_OP_CONNECT" {
		t.Errorf("missing %q", name)
	}
}

func TestMissingFeatureIsNamed(t *testing.T) {
	if err := checkFeatures(featSingleMmap | featNoDrop | featExtArg); err != nil {
		t.Error(err)
	}
	if err := checkFeatures(featSingleMmap | featNoDrop); err == nil || !strings.Contains(err.Error(), "IORING_FEAT_EXT_ARG (Linux 5.11)") {
		t.Error(err)
	}
}
