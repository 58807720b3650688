package drivertest

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// patience bounds every wait of a test; a driver that works needs a small part of it.
const patience = 20 * time.Second

// flight is one op from Submit to its final completion, with what it has brought so far.
type flight struct {
	op     driver.Op
	final  bool
	res    int32 // of the last completion
	count  int
	data   []byte // received
	starts []int  // offsets in data where a buffer begins
	fds    []int  // accepted
	bids   []int32
	hold   bool // keep received buffers lent
}

func (f *flight) errno() unix.Errno { return driver.Completion{Res: f.res}.Errno() }

// rig drives one driver and checks every completion against the contract.
type rig struct {
	testing.TB
	d     driver.Driver
	net   Network
	cfg   Config
	real  bool
	open  Open
	out   []driver.Completion
	slots []slot // by token slot
	free  []uint32
	lent  map[int32]bool
	peers []Peer
	lfd   int // -1 until listen
	addr  netip.AddrPort
	taken *flight // the armed accept
	fds   map[int]bool
	begin census
}

type slot struct {
	gen uint32
	f   *flight
}

func newRig(t testing.TB, open Open, cfg Config) *rig {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	r := &rig{TB: t, cfg: cfg, open: open, out: make([]driver.Completion, 64), lfd: -1}
	r.lent, r.fds = make(map[int32]bool), make(map[int]bool)
	r.begin = takeCensus()
	r.d, r.net = open(t, cfg)
	r.real = r.d.Kind() != driver.Sim
	return r
}

func (r *rig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) equal(what string, got, want any) {
	r.Helper()
	if got != want {
		r.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// submit sends op with a token of its own.
func (r *rig) submit(op driver.Op) *flight {
	if len(r.free) == 0 {
		r.free = append(r.free, uint32(len(r.slots)))
		r.slots = append(r.slots, slot{})
	}
	i := r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	s := &r.slots[i]
	s.gen++
	op.Token = driver.NewToken(uint8(op.Code), s.gen, i)
	s.f = &flight{op: op}
	r.d.Submit(op)
	return s.f
}

func (r *rig) recv(fd int, multi bool) *flight {
	return r.submit(driver.Op{Code: driver.Recv, FD: int32(fd), Multi: multi})
}

func (r *rig) send(fd int, p []byte) *flight {
	return r.submit(driver.Op{Code: driver.Send, FD: int32(fd), Buf: p})
}

func (r *rig) cancel(f *flight) *flight {
	return r.submit(driver.Op{Code: driver.Cancel, Target: f.op.Token})
}

// take checks one completion and books it.
func (r *rig) take(c driver.Completion) {
	r.Helper()
	i := c.Token.Slot()
	if int(i) >= len(r.slots) || r.slots[i].f == nil || r.slots[i].f.op.Token != c.Token {
		r.Fatalf("completion %+v belongs to no op in flight", c)
	}
	f := r.slots[i].f
	f.count++
	f.res = c.Res
	r.checkParts(f, c)
	switch {
	case f.op.Code == driver.Recv && c.Bid != driver.NoBuffer:
		r.takeBuffer(f, c)
	case f.op.Code == driver.Accept && c.Res >= 0:
		f.fds = append(f.fds, int(c.Res))
		if r.fds[int(c.Res)] {
			r.Fatalf("descriptor %d accepted while it is open", c.Res)
		}
		r.fds[int(c.Res)] = true
	}
	if !c.More {
		f.final = true
		r.slots[i].f = nil
		r.free = append(r.free, i)
	}
}

// checkParts is the contract's table of which completion has which parts.
func (r *rig) checkParts(f *flight, c driver.Completion) {
	r.Helper()
	bad := ""
	switch isRecv := f.op.Code == driver.Recv; {
	case (c.Bid != driver.NoBuffer) != (isRecv && c.Res > 0):
		bad = "a buffer belongs to a receive with bytes, and to nothing else"
	case isRecv && int(c.Res) > r.cfg.BufferSize:
		bad = "more bytes than a buffer holds"
	case c.More && !f.op.Multi:
		bad = "More on an op that is not Multi"
	case c.More && c.Res < 0, c.More && isRecv && c.Res == 0:
		bad = "More after the end"
	}
	if bad != "" {
		r.Fatalf("completion %+v of op %+v: %s", c, f.op, bad)
	}
}

func (r *rig) takeBuffer(f *flight, c driver.Completion) {
	r.Helper()
	if r.lent[c.Bid] {
		r.Fatalf("buffer %d is lent twice", c.Bid)
	}
	buf := r.d.Buffer(c.Bid)
	r.equal("buffer length", len(buf), r.cfg.BufferSize)
	f.starts = append(f.starts, len(f.data))
	f.data = append(f.data, buf[:c.Res]...)
	if f.hold {
		r.lent[c.Bid] = true
		f.bids = append(f.bids, c.Bid)
		return
	}
	clear(buf) // ours until Recycle: a driver that reads here later would see it
	r.d.Recycle(c.Bid)
}

// recycle gives back what f holds.
func (r *rig) recycle(f *flight) {
	for _, bid := range f.bids {
		delete(r.lent, bid)
		r.d.Recycle(bid)
	}
	f.bids = nil
}

// turn waits once, for a moment at most, and books what comes.
func (r *rig) turn() int {
	r.Helper()
	return r.wait(1, 2*time.Millisecond)
}

func (r *rig) wait(min int, timeout time.Duration) int {
	r.Helper()
	n, err := r.d.Wait(r.out, min, timeout)
	r.ok(err)
	for _, c := range r.out[:n] {
		r.take(c)
	}
	return n
}

// until turns until cond holds.
func (r *rig) until(what string, cond func() bool) {
	r.Helper()
	for end := time.Now().Add(patience); !cond(); {
		r.turn()
		if time.Now().After(end) {
			r.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

func (r *rig) ended(f *flight) {
	r.Helper()
	r.until(fmt.Sprintf("op %+v has ended", f.op), func() bool { return f.final })
}

// listen opens the rig's listener and arms it.
func (r *rig) listen() {
	r.Helper()
	spec := driver.ListenSpec{Network: "tcp4", Addr: netip.MustParseAddrPort("127.0.0.1:0"), Exclusive: true, NoDelay: true}
	var err error
	r.lfd, r.addr, err = r.d.Listen(spec)
	r.ok(err)
	r.fds[r.lfd] = true
	r.ok(r.d.StartListen(r.lfd, 0))
	r.arm()
}

func (r *rig) arm() {
	r.taken = r.submit(driver.Op{Code: driver.Accept, FD: int32(r.lfd), Multi: true})
}

func (r *rig) dial() Peer {
	r.Helper()
	p, err := r.net.Dial(r.addr)
	r.ok(err)
	r.peers = append(r.peers, p)
	return p
}

// pair makes one accepted connection.
func (r *rig) pair() (Peer, int) {
	r.Helper()
	if r.lfd < 0 {
		r.listen()
	}
	p := r.dial()
	n := len(r.taken.fds)
	r.until("the connection is accepted", func() bool { return len(r.taken.fds) > n })
	return p, r.taken.fds[n]
}

func (r *rig) closeFD(fd int) {
	r.Helper()
	r.ok(r.d.CloseFD(fd))
	delete(r.fds, fd)
}

// write gives all of p to the peer, turning the driver as long as the queues are full.
func (r *rig) write(p Peer, b []byte) {
	r.Helper()
	r.until("the peer has written", func() bool {
		n, err := p.Write(b)
		r.ok(err)
		b = b[n:]
		return len(b) == 0
	})
}

// quiesce cancels what is in flight and waits for every final completion.
func (r *rig) quiesce() {
	r.Helper()
	var open []*flight
	for _, s := range r.slots {
		if s.f != nil {
			open = append(open, s.f)
		}
	}
	for _, f := range open {
		if f.op.Code != driver.Cancel {
			open = append(open, r.cancel(f))
		}
	}
	for _, f := range open {
		r.ended(f)
		r.recycle(f)
	}
}

// close ends the test: nothing in flight, nothing lent, nothing open.
func (r *rig) close() {
	r.Helper()
	r.quiesce()
	if len(r.lent) > 0 {
		r.Errorf("%d buffers are still lent", len(r.lent))
	}
	r.shut()
}

// shut closes everything as it is and takes stock.
func (r *rig) shut() {
	r.Helper()
	r.ok(r.d.Close())
	for fd := range r.fds {
		r.closeFD(fd)
	}
	for _, p := range r.peers {
		_ = p.Close()
	}
	r.d.Wake() // any time, also after Close
	if r.real {
		r.begin.compare(r)
	}
}
