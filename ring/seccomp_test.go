package ring

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/deny"
)

// A real seccomp filter, as a container runtime installs it, on one thread that ends with the test.
func TestSeccompIsBlamedByEvidence(t *testing.T) {
	if gather().Disabled > 0 {
		t.Skip("needs kernel.io_uring_disabled = 0: the sysctl comes before any filter")
	}
	for errno, want := range map[unix.Errno]string{unix.EPERM: "a seccomp filter refuses it", unix.ENOSYS: "a seccomp filter answers ENOSYS"} {
		result := make(chan error, 1)
		go func() {
			runtime.LockOSThread() // and never unlocked: the filtered thread dies with this goroutine
			if err := deny.Thread(errno); err != nil {
				result <- err
				return
			}
			r, err := Open(Config{})
			if err == nil {
				r.Close()
			}
			result <- err
		}()
		err := <-result
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--security-opt") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
