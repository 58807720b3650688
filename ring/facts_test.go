package ring

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/deny"
)

// answers are trials with these answers of setup, enter and register.
func answers(errnos ...unix.Errno) (list []Trial) {
	for i, call := range []string{"io_uring_setup", "io_uring_enter", "io_uring_register"} {
		e := errnos[i]
		list = append(list, Trial{call, e, unix.ErrnoName(e), e == unix.EFAULT || e == unix.EBADF || e == unix.EINVAL})
	}
	return list
}

// The trial decides where the sysctl and Seccomp: leave a doubt.
func TestTrialsDecide(t *testing.T) {
	all := func(e unix.Errno) []Trial { return answers(e, e, e) }
	setupOnly := answers(unix.EPERM, unix.EBADF, unix.EINVAL)
	through := answers(unix.EFAULT, unix.EBADF, unix.EINVAL)
	for name, tc := range map[string]struct {
		errno unix.Errno
		facts Facts
		want  []string
		not   string
	}{
		"sysctl 2 in a container that allows io_uring": {unix.EPERM, Facts{Disabled: 2, Seccomp: 2, Trials: setupOnly}, []string{"io_uring_disabled is 2"}, "seccomp"},
		"sysctl 2 and a filter":                        {unix.EPERM, Facts{Disabled: 2, Seccomp: 2, Trials: all(unix.EPERM)}, []string{"io_uring_disabled is 2", "seccomp filter refuses it too", "both: sysctl -w", "--security-opt"}, ""},
		"sysctl 1 and a filter":                        {unix.EPERM, Facts{Disabled: 1, Seccomp: 2, Trials: all(unix.EPERM)}, []string{"io_uring_group", "seccomp filter refuses it too"}, ""},
		"sysctl 1, a member, a filter":                 {unix.EPERM, Facts{Disabled: 1, Member: true, Seccomp: 2, Trials: all(unix.EPERM)}, []string{"a seccomp filter refuses it", "io_uring_enter is refused with EPERM"}, "sysctl -w"},
		"a filter":                                     {unix.EPERM, Facts{Seccomp: 2, Trials: all(unix.EPERM)}, []string{"a seccomp filter refuses it", "io_uring_register is refused with EPERM"}, "sysctl -w"},
		"a filter for setup alone":                     {unix.EPERM, Facts{Seccomp: 2, Trials: setupOnly}, []string{"a seccomp filter refuses it", "io_uring_enter comes through, EBADF"}, "sysctl -w"},
		"a filter that is not about io_uring":          {unix.EACCES, Facts{Seccomp: 2, Trials: through}, []string{"security module", "io_uring_setup comes through"}, "--security-opt"},
		"no /proc/sys, setup refused":                  {unix.EPERM, Facts{Disabled: -1, Hidden: true, Trials: setupOnly}, []string{"kernel.io_uring_disabled", "without /proc/sys"}, "security module"},
		"no /proc/sys, all refused by a filter":        {unix.EPERM, Facts{Disabled: -1, Hidden: true, Seccomp: 2, Trials: all(unix.EPERM)}, []string{"a seccomp filter refuses it", "is unknown"}, "absent"},
		"no /proc/sys, ENOSYS of a filter":             {unix.ENOSYS, Facts{Disabled: -1, Hidden: true, Seccomp: 2, Trials: all(unix.ENOSYS)}, []string{"filter answers ENOSYS"}, "CONFIG"},
		"ENOSYS of a filter":                           {unix.ENOSYS, Facts{Seccomp: 2, Trials: all(unix.ENOSYS)}, []string{"filter answers ENOSYS", "io_uring_setup is refused with ENOSYS"}, "CONFIG"},
		"ENOSYS of the kernel in a container":          {unix.ENOSYS, Facts{Disabled: -1, Seccomp: 2, Trials: all(unix.ENOSYS)}, []string{"CONFIG_IO_URING"}, "--security-opt"},
	} {
		tc.facts.Kernel = "6.12.0"
		text := explain("io_uring_setup", tc.errno, 0, tc.facts).Error()
		for _, want := range tc.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s:\n%s\nlacks %q", name, text, want)
			}
		}
		if tc.not != "" && strings.Contains(text, tc.not) {
			t.Errorf("%s:\n%s\nmust not say %q", name, text, tc.not)
		}
	}
}

func TestFactsOfThisMachine(t *testing.T) {
	f := Gather()
	if f.Kernel == "" || f.Kernel == "unknown" || f.Seccomp < 0 || f.Memlock == 0 || f.NoFile == 0 || len(f.Trials) != 3 {
		t.Errorf("facts %+v", f)
	}
	for _, trial := range f.Trials {
		if trial.Errno == 0 || trial.Answer == "" {
			t.Errorf("a trial that nobody refused: %+v", trial)
		}
	}
}

// What Gather says of features is what Open makes of them.
func TestFeaturesAgreeWithOpen(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, err := Open(Config{Entries: 1})
	if err != nil {
		t.Skipf("needs io_uring: %v", err)
	}
	defer r.Close()
	want := map[string]bool{
		"IORING_SETUP_NO_SQARRAY":    r.params.flags&setupNoSQArray != 0,
		"IORING_FEAT_NO_IOWAIT":      r.waitFlags != 0,
		"IORING_REGISTER_RING_FDS":   r.registered,
		"IORING_REGISTER_MEM_REGION": r.regWait != nil,
	}
	seen := map[string]bool{}
	for _, f := range Gather().Features {
		if f.Name == "" || f.Since == "" || f.Gain == "" || seen[f.Name] {
			t.Errorf("%+v", f)
		}
		seen[f.Name] = true
		if f.Required && f.Has != Yes {
			t.Errorf("%s: %s, and yet a ring could be opened", f.Name, f.Has)
		}
		if has, ok := want[f.Name]; ok && f.Has != answer(has) {
			t.Errorf("%s: %s, a ring has it: %v", f.Name, f.Has, has)
		}
		delete(want, f.Name)
	}
	if len(want) > 0 {
		t.Errorf("not asked for: %v", want)
	}
}

// An old kernel lacks the flags, and only those.
func TestFlagFeaturesOfAnOldKernel(t *testing.T) {
	const known = setupCQSize | setupClamp | setupSubmitAll | setupCoopTaskrun | setupTaskrunFlag | setupSingleIssuer // 6.0
	for _, f := range flagFeatures(func(_ uint32, p *params) (int, unix.Errno) {
		if p.flags&^known != 0 {
			return -1, unix.EINVAL
		}
		return -1, 0
	}) {
		lacks := f.Name == "IORING_SETUP_DEFER_TASKRUN" || f.Name == "IORING_SETUP_NO_SQARRAY"
		if f.Has != answer(!lacks) {
			t.Errorf("%s: %s", f.Name, f.Has)
		}
	}
}

// A refused ring's error carries the evidence, and says of no feature that it is missing.
func TestErrorCarriesFacts(t *testing.T) {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the filtered thread dies with this goroutine
		if err := deny.Thread(unix.ENOSYS); err != nil {
			result <- err
			return
		}
		_, err := Open(Config{})
		result <- err
	}()
	var e *Error
	if err := <-result; !errors.As(err, &e) || e.Facts == nil {
		t.Fatalf("%v carries no facts", err)
	}
	if e.Facts.Seccomp != 2 || !e.Facts.filtered() || len(e.Facts.Features) == 0 {
		t.Errorf("%+v", e.Facts)
	}
	for _, f := range e.Facts.Features {
		if f.Has != Unknown {
			t.Errorf("%s: %s although nothing could be tried", f.Name, f.Has)
		}
	}
}
