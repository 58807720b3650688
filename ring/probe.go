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
		return lacking("io_uring_register(PROBE)", "the operation "+name)
	}
	return nil
}

// lacking is the error of a kernel without something of the baseline.
func lacking(op, what string) *Error {
	ev := gather()
	return &Error{Op: op, Errno: unix.EOPNOTSUPP, Kernel: ev.Kernel, Facts: &ev,
		Cause: "this kernel's io_uring lacks " + what, Remedy: needKernel("6.1")}
}

// opcodes are the operations in use; bit is the opcode.
func opcodes() []flag {
	return []flag{
		{opNop, "IORING_OP_NOP", "5.1"}, {opPollAdd, "IORING_OP_POLL_ADD", "5.1"}, {opTimeout, "IORING_OP_TIMEOUT", "5.4"},
		{opAccept, "IORING_OP_ACCEPT", "5.5"}, {opAsyncCancel, "IORING_OP_ASYNC_CANCEL", "5.5"}, {opConnect, "IORING_OP_CONNECT", "5.5"},
		{opRead, "IORING_OP_READ", "5.6"}, {opSend, "IORING_OP_SEND", "5.6"}, {opRecv, "IORING_OP_RECV", "5.6"},
	}
}

func missingOpcode(p *probe) string {
	for _, op := range opcodes() {
		if p.ops[op.bit].flags&probeOpSupported == 0 {
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
			return lacking("io_uring_setup", f.name+" (Linux "+f.since+")")
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
