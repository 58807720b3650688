package ring

// Opcodes in use, enum io_uring_op.
const (
	opNop         = 0
	opPollAdd     = 6
	opTimeout     = 11
	opAccept      = 13
	opAsyncCancel = 14
	opConnect     = 16
	opRead        = 22
	opSend        = 26
	opRecv        = 27
)

// Setup flags, io_uring_setup(2).
const (
	setupCQSize       = 1 << 3
	setupClamp        = 1 << 4
	setupRDisabled    = 1 << 6  // 5.10
	setupSubmitAll    = 1 << 7  // 5.18
	setupCoopTaskrun  = 1 << 8  // 5.19
	setupTaskrunFlag  = 1 << 9  // 5.19
	setupSingleIssuer = 1 << 12 // 6.0
	setupDeferTaskrun = 1 << 13 // 6.1
	setupNoSQArray    = 1 << 16 // 6.6
)

// Feature bits that the kernel returns from setup.
const (
	featSingleMmap = 1 << 0
	featNoDrop     = 1 << 1
	featExtArg     = 1 << 8
	featNoIOWait   = 1 << 17 // 6.15
)

// Enter flags, io_uring_enter(2).
const (
	enterGetEvents      = 1 << 0
	enterExtArg         = 1 << 3
	enterRegisteredRing = 1 << 4
	enterExtArgReg      = 1 << 6 // 6.13: the argument lies in the registered region
	enterNoIOWait       = 1 << 7 // 6.15: a sleeping ring does not show as iowait
)

// Flags the kernel sets in the submission ring.
const (
	sqCQOverflow = 1 << 1
	sqTaskrun    = 1 << 2
)

// Completion flags.
const (
	cqeFBuffer     = 1 << 0
	cqeFMore       = 1 << 1
	cqeBufferShift = 16
)

// Register opcodes, io_uring_register(2).
const (
	registerProbe       = 8
	registerRestrict    = 11 // 5.10
	registerEnableRings = 12
	registerRingFDs     = 20
	unregisterRingFDs   = 21
	registerPbufRing    = 22
	unregisterPbufRing  = 23
	registerMemRegion   = 34 // 6.13
	memRegionWaitArg    = 1 << 0
	memRegionUser       = 1 << 0
	regWaitTimeout      = 1 << 0
	restrictRegisterOp  = 0
	restrictSQEOp       = 1
	restrictSQEFlags    = 2
	probeOpSupported    = 1 << 0
	registerAnyIndex    = ^uint32(0)
	pbufEntriesMax      = 1 << 15
	offSQRing           = 0
	offSQEs             = 0x10000000
	sqeBufferSelect     = 1 << 5 // IOSQE_BUFFER_SELECT
	acceptMultishot     = 1 << 0
	recvMultishot       = 1 << 1
	pollAddMulti        = 1 << 0
	cancelAll           = 1 << 0
	cancelAny           = 1 << 2
	argGetEvents        = 0 // offsets in the page of arguments
	argTimespec         = 64
	argRegister         = 128
	argRegWait          = 4096 // the second page: it is all the kernel's region
	argRegWaitBytes     = 4096
	argBytes            = 8192
	rawSQEsMax          = 64 // more than this is submitted by a call the scheduler knows of
	kernelBaselineMajor = 6
	kernelBaselineMinor = 1
)
