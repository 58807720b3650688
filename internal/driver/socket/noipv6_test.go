package socket

import (
	"errors"
	"net/netip"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A machine without IPv6, made by a seccomp filter on one thread that ends with the test.
func TestWithoutIPv6TheUnspecifiedAddressIsIPv4(t *testing.T) {
	type result struct {
		bound     netip.AddrPort
		err, err6 error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the filtered thread dies with this goroutine
		var r result
		if r.err = denyIPv6(); r.err == nil {
			var fd int
			if fd, r.bound, r.err = (Real{}).Listen(spec("tcp", "[::]:0", true)); r.err == nil {
				unix.Close(fd)
			}
			_, _, r.err6 = Real{}.Listen(spec("tcp6", "[::]:0", true))
		}
		done <- r
	}()
	r := <-done
	if r.err != nil || !r.bound.Addr().Is4() || !r.bound.Addr().IsUnspecified() || r.bound.Port() == 0 {
		t.Errorf("tcp [::]:0 is bound to %v, %v, want 0.0.0.0 and a port", r.bound, r.err)
	}
	if !errors.Is(r.err6, unix.EAFNOSUPPORT) {
		t.Errorf("tcp6: %v, want EAFNOSUPPORT", r.err6)
	}
}

// denyIPv6 makes socket(AF_INET6, ...) fail on this thread, for good. See seccomp(2).
func denyIPv6() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	const nr, arg0 = 0, 16 // offsets in struct seccomp_data; the low half of the first argument
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: nr},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 3, K: unix.SYS_SOCKET},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: arg0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.AF_INET6},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(prog)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return errno
	}
	return nil
}
