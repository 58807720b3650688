package deny

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Thread makes io_uring_setup, io_uring_enter and io_uring_register fail with errno on the calling thread, for good; its
// goroutine must be locked to it and never unlock. See seccomp(2).
func Thread(errno unix.Errno) error { return install(calls(errno), 0) }

// Process is Thread for all threads of the process, for good.
func Process(errno unix.Errno) error { return install(calls(errno), unix.SECCOMP_FILTER_FLAG_TSYNC) }

// Entries makes io_uring_enter fail with errno on the calling thread, as Thread does, when it is given entries: a kernel
// without memory for them. Calls that only wait or fetch come through.
func Entries(errno unix.Errno) error {
	const toSubmit = 16 + 8 // low word of the second argument in struct seccomp_data
	return install([]unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 2, K: unix.SYS_IO_URING_ENTER},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: toSubmit},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
	}, 0)
}

// calls refuses all three.
func calls(errno unix.Errno) []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 2, K: unix.SYS_IO_URING_SETUP},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: unix.SYS_IO_URING_ENTER},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_IO_URING_REGISTER},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
}

func install(filter []unix.SockFilter, flags uintptr) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	prog := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(prog)))
	runtime.KeepAlive(filter)
	if e != 0 {
		return e
	}
	return nil
}
