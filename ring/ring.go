package ring

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Config are the sizes of a ring and the off switches for kernel features newer than the baseline.
type Config struct {
	Entries   int // submission queue entries, rounded up to a power of two; 0: 512
	CQEntries int // completion queue entries, rounded up likewise, at least Entries; 0: 8 x Entries
	// NoSQArray spares the kernel an indirection per entry (6.6): about 3 % of an enter with 16 nops.
	NoSQArray Switch
	// RegisterFD spares the kernel a look-up of the ring's descriptor: 47 of 412 ns of an enter with one nop
	// (kernel 6.18).
	RegisterFD Switch
	// NoIOWait keeps a sleeping ring from being shown as iowait (6.15).
	NoIOWait Switch
	// RegisterWait lets the kernel read the timeout of a sleep where it lies (6.13).
	RegisterWait Switch
	// Restrict lets the ring do what percore needs and nothing else, for good (5.10): see restrict.go.
	Restrict bool
}

// Switch says whether an optional kernel feature may be used.
type Switch uint8

const (
	Auto Switch = iota // used when the kernel has it
	Off
)

// Ring is one io_uring. It belongs to the OS thread that opened it (SINGLE_ISSUER): every method must be
// called on that thread, so its goroutine is locked to it by runtime.LockOSThread.
type Ring struct {
	sq          sq
	cq          cq
	inflight    int
	enters      uint64
	enterFD     uintptr // the descriptor, or the index of the registered one
	enterFlags  uint32  // IORING_ENTER_REGISTERED_RING or 0
	waitFlags   uint32
	alwaysEnter bool // the kernel does not tell when deferred work waits

	getEvents uintptr   // address of the geteventsArg in args
	ts        *timespec // in args; what the geteventsArg points to
	regWait   *regWait  // in args, registered; nil: RegisterWait is off

	fd         int
	registered bool
	params     *params
	rings      mapping // both queues
	sqes       mapping
	args       mapping // all memory the kernel reads during a call
	bufRings   []*BufRing
}

// Open makes a ring for the calling thread. The error is an *Error that says what is wrong and what to
// change; errors.Is finds the errno in it.
func Open(cfg Config) (*Ring, error) {
	r, err := openRing(cfg)
	if e := (*Error)(nil); errors.As(err, &e) && e.Facts != nil {
		e.Facts.Features = features()
	}
	return r, err
}

func openRing(cfg Config) (*Ring, error) {
	p, fd, err := setup(cfg)
	if err != nil {
		return nil, err
	}
	r := &Ring{fd: fd, enterFD: uintptr(fd), params: p, alwaysEnter: p.flags&setupTaskrunFlag == 0}
	if err := r.open(cfg); err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

func (r *Ring) open(cfg Config) error {
	if err := r.mapQueues(); err != nil {
		return err
	}
	if err := checkFeatures(r.params.features); err != nil {
		return err
	}
	if err := r.checkOpcodes(); err != nil {
		return err
	}
	if cfg.RegisterWait == Auto {
		r.registerWait()
	}
	if cfg.Restrict {
		if err := r.restrict(); err != nil {
			return err
		}
	}
	if err := r.enable(); err != nil {
		return err
	}
	if cfg.NoIOWait == Auto && r.params.features&featNoIOWait != 0 {
		r.waitFlags = enterNoIOWait
	}
	if cfg.RegisterFD == Auto {
		r.registerFD()
	}
	return nil
}

// mapQueues maps both queues (one mapping, IORING_FEAT_SINGLE_MMAP), the entries, and a page for the
// arguments of enter and register: Go stacks move, so nothing on one may be read by the kernel.
func (r *Ring) mapQueues() (err error) {
	p := r.params
	size := max(sqBytes(p), uintptr(p.cqOff.cqes)+uintptr(p.cqEntries)*unsafe.Sizeof(CQE{}))
	if r.rings, err = mapShared(r.fd, size, offSQRing); err != nil {
		return err
	}
	if r.sqes, err = mapShared(r.fd, uintptr(p.sqEntries)*unsafe.Sizeof(SQE{}), offSQEs); err != nil {
		return err
	}
	if r.args, err = mapPrivate(argBytes, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return err
	}
	r.sq.load(r.rings.base, r.sqes.base, p)
	r.cq.load(r.rings.base, p)
	r.ts = (*timespec)(unsafe.Add(r.args.base, argTimespec))
	arg := (*geteventsArg)(unsafe.Add(r.args.base, argGetEvents))
	arg.ts = uint64(uintptr(unsafe.Pointer(r.ts)))
	r.getEvents = uintptr(unsafe.Pointer(arg))
	return nil
}

func sqBytes(p *params) uintptr {
	if p.flags&setupNoSQArray != 0 {
		return 0
	}
	return uintptr(p.sqOff.array) + uintptr(p.sqEntries)*4
}

// SQEntries and CQEntries are the sizes the kernel chose.
func (r *Ring) SQEntries() int { return int(r.params.sqEntries) }
func (r *Ring) CQEntries() int { return int(r.params.cqEntries) }

// MappedBytes is the memory mapped for the ring and its buffer rings; GOMEMLIMIT does not see it.
func (r *Ring) MappedBytes() int {
	n := r.rings.size + r.sqes.size + r.args.size
	for _, b := range r.bufRings {
		n += b.mappedBytes()
	}
	return int(n)
}
