package ring

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A real seccomp filter, as a container runtime installs it, on one thread that ends with the test.
func TestSeccompIsBlamedByEvidence(t *testing.T) {
	if gather().disabled > 0 {
		t.Skip("needs kernel.io_uring_disabled = 0: the sysctl comes before any filter")
	}
	for errno, want := range map[unix.Errno]string{unix.EPERM: "a seccomp filter refuses it", unix.ENOSYS: "a seccomp filter answers ENOSYS"} {
		result := make(chan error, 1)
		go func() {
			runtime.LockOSThread() // and never unlocked: the filtered thread dies with this goroutine
			if err := denySetup(errno); err != nil {
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
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "seccomp.json") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// denySetup makes io_uring_setup fail with errno on this thread, for good. See seccomp(2).
func denySetup(errno unix.Errno) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_IO_URING_SETUP},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(prog)))
	runtime.KeepAlive(filter)
	if e != 0 {
		return e
	}
	return nil
}
