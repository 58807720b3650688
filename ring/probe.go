package ring

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// checkOpcodes asks the kernel whether it has every op in use. There is no such question for multishot
// accept and recv: the setup flags of 6.1 imply them.
func (r *Ring) checkOpcodes() error {
	p := registerArg[probe](r)
	if _, errno := r.register(registerProbe, unsafe.Pointer(p), len(p.ops)); errno != 0 {
		return explain("io_uring_register(PROBE)", errno, 0, gather())
	}
	if name := missingOpcode(p); name != "" {
		return &Error{Op: "io_uring_register(PROBE)", Errno: unix.EOPNOTSUPP, Kernel: KernelRelease(),
			Cause: "this kernel's io_uring lacks the operation " + name, Remedy: needKernel("6.1")}
	}
	return nil
}

func missingOpcode(p *probe) string {
	for _, op := range []struct {
		code int
		name string
	}{
		{opNop, "IORING_OP_NOP"}, {opPollAdd, "IORING_OP_POLL_ADD"}, {opAccept, "IORING_OP_ACCEPT"}, {opAsyncCancel, "IORING_OP_ASYNC_CANCEL"},
		{opConnect, "IORING_OP_CONNECT"}, {opRead, "IORING_OP_READ"}, {opSend, "IORING_OP_SEND"}, {opRecv, "IORING_OP_RECV"},
	} {
		if p.ops[op.code].flags&probeOpSupported == 0 {
			return op.name
		}
	}
	return ""
}

// checkFeatures names the first feature of the baseline that is missing.
func checkFeatures(features uint32) error {
	for _, f := range []flag{
		{featSingleMmap, "IORING_FEAT_SINGLE_MMAP", "5.4"}, {featNoDrop, "IORING_FEAT_NODROP", "5.5"}, {featExtArg, "IORING_FEAT_EXT_ARG", "5.11"},
	} {
		if features&f.bit == 0 {
			return &Error{Op: "io_uring_setup", Errno: unix.EOPNOTSUPP, Kernel: KernelRelease(),
				Cause: "this kernel's io_uring lacks " + f.name + " (Linux " + f.since + ")", Remedy: needKernel("6.1")}
		}
	}
	return nil
}

// KernelRelease is the running kernel's release, as uname -r prints it.
func KernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// kernelAtLeast compares the leading numbers of a release such as "6.1.0-13-amd64".
func kernelAtLeast(release string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(release, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}
