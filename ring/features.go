package ring

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Feature is something of io_uring that percore uses when the kernel has it.
type Feature struct {
	Name     string // as in <linux/io_uring.h>
	Since    string // the Linux release that brings it
	Gain     string // what percore does with it
	Required bool   // without it percore takes the epoll driver
	Has      Answer
}

// Answer is what a trial says of a feature.
type Answer string

const (
	Yes     Answer = "yes"     // the trial succeeded
	No      Answer = "no"      // the kernel refused it
	Unknown Answer = "unknown" // io_uring is refused altogether, so nothing can be tried
)

func answer(yes bool) Answer {
	if yes {
		return Yes
	}
	return No
}

// features tries everything out on rings of one entry.
func features() []Feature {
	runtime.LockOSThread() // a registered ring belongs to its thread
	defer runtime.UnlockOSThread()
	r := plainRing()
	if r == nil {
		list := append(flagFeatures(nil), ringFeatures(&Ring{params: &params{}}, &probe{})...)
		for i := range list {
			list[i].Has = Unknown
		}
		return list
	}
	defer r.release()
	p := registerArg[probe](r)
	r.register(registerProbe, unsafe.Pointer(p), len(p.ops))
	known := *p // the next register call uses the same page
	return append(flagFeatures(sysSetup), ringFeatures(r, &known)...)
}

// plainRing is a ring without a single optional flag, as every kernel since 5.10 makes it; nil where
// io_uring is refused.
func plainRing() *Ring {
	p, fd, errno := try(1, params{flags: setupRDisabled}, sysSetup)
	if errno != 0 {
		return nil
	}
	r := &Ring{fd: fd, enterFD: uintptr(fd), params: p}
	if r.mapQueues() != nil {
		r.release()
		return nil
	}
	return r
}

// flagFeatures asks for each setup flag, together with the one it cannot do without.
func flagFeatures(call setupCall) (list []Feature) {
	gains := map[uint32]string{
		setupDeferTaskrun: "completions are made when the core asks: a quarter to a third less CPU per echo", setupSingleIssuer: "DEFER_TASKRUN needs it",
		setupNoSQArray: "3 % of an enter", setupTaskrunFlag: "an idle turn needs no enter", setupCoopTaskrun: "no interrupts for completions",
		setupSubmitAll: "one bad entry does not hold up a batch", setupClamp: "sizes are cut to what the kernel takes", setupCQSize: "a long completion queue",
	}
	for _, f := range required() {
		list = append(list, Feature{Name: f.name, Since: f.since, Gain: gains[f.bit], Required: true, Has: askFlag(f.bit, call)})
	}
	for _, f := range droppable() {
		list = append(list, Feature{Name: f.name, Since: f.since, Gain: gains[f.bit], Has: askFlag(f.bit, call)})
	}
	return list
}

func askFlag(bit uint32, call setupCall) Answer {
	if call == nil {
		return Unknown
	}
	p := params{flags: bit, cqEntries: 2}
	switch bit {
	case setupDeferTaskrun:
		p.flags |= setupSingleIssuer
	case setupTaskrunFlag:
		p.flags |= setupCoopTaskrun
	}
	_, fd, errno := try(1, p, call)
	if errno == 0 {
		unix.Close(fd)
	}
	return answer(errno == 0)
}

// ringFeatures tries on a disabled ring what can only be tried on one, and asks p for the operations.
func ringFeatures(r *Ring, p *probe) []Feature {
	bit := func(b uint32) Answer { return answer(r.params.features&b != 0) }
	list := []Feature{
		{"IORING_FEAT_SINGLE_MMAP", "5.4", "both queues are one mapping", true, bit(featSingleMmap)},
		{"IORING_FEAT_NODROP", "5.5", "a full completion queue loses nothing", true, bit(featNoDrop)},
		{"IORING_FEAT_EXT_ARG", "5.11", "a sleep has a timeout", true, bit(featExtArg)},
		{"IORING_FEAT_NO_IOWAIT", "6.15", "a sleeping core does not count as iowait", false, bit(featNoIOWait)},
		{Name: "IORING_REGISTER_PBUF_RING", Since: "5.19", Gain: "buffers are lent when bytes are there: idle connections hold none", Required: true},
		{Name: "IORING_REGISTER_RING_FDS", Since: "5.18", Gain: "11 % of an enter"},
		{Name: "IORING_REGISTER_MEM_REGION", Since: "6.13", Gain: "8 % of an enter that sleeps"},
	}
	if r.args.base != nil {
		tried := list[len(list)-3:]
		r.registerWait()
		tried[2].Has = answer(r.regWait != nil)
		r.enable()
		_, err := r.OpenBufRing(BufRingConfig{Size: 64, Count: 1, Max: 1})
		tried[0].Has = answer(err == nil)
		r.registerFD()
		tried[1].Has = answer(r.registered)
	}
	for _, op := range opcodes() {
		list = append(list, Feature{op.name, op.since, "the operation of that name", true, answer(p.ops[op.bit].flags&probeOpSupported != 0)})
	}
	return list
}
