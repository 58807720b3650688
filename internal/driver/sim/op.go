package sim

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// op is one op in flight: it holds its socket (refs) from begin to end.
type op struct {
	driver.Op
	d      *Driver
	s      *socket // nil once it has ended
	queued bool    // exactly when it is in d.ready
}

// slotsMax bounds the slot index of a token: slots come from a core's op slab and are dense.
const slotsMax = 1 << 24

// begin takes an op on: it is refused, or it stands in its socket's queue.
func (d *Driver) begin(req driver.Op) {
	if req.Code == driver.Cancel {
		d.cancel(req)
		return
	}
	s := d.w.lookup(int(req.FD))
	if s == nil {
		d.post(req.Token, -int32(unix.EBADF))
		return
	}
	o := d.take()
	o.Op, o.d, o.s = req, d, s
	d.hold(o)
	d.postStale(req.Token)
	s.refs++
	if req.Code == driver.Connect {
		if errno := s.beginConnect(req.Buf); errno != 0 {
			d.finish(o, -int32(errno))
			return
		}
	}
	q := o.queue()
	*q = append(*q, o)
	d.makeReady(o)
}

func (d *Driver) take() *op {
	if n := len(d.pool); n > 0 {
		o := d.pool[n-1]
		d.pool = d.pool[:n-1]
		return o
	}
	return new(op)
}

func (d *Driver) hold(o *op) {
	i := int(o.Token.Slot())
	if i >= slotsMax {
		panic(fmt.Sprintf("BUG: token slot %d is not from an op slab", i))
	}
	for i >= len(d.slots) {
		d.slots, d.last = append(d.slots, nil), append(d.last, driver.NoToken)
	}
	if d.slots[i] != nil {
		panic(fmt.Sprintf("BUG: token slot %d is used by two ops in flight", i))
	}
	d.slots[i] = o
}

// postStale now and then lets the op that had the slot before post once more.
func (d *Driver) postStale(now driver.Token) {
	i := now.Slot()
	if d.last[i] != driver.NoToken && d.last[i] != now && d.w.sched.chance(d.w.sched.faults.Stale) {
		d.post(d.last[i], -int32(unix.ECANCELED))
	}
	d.last[i] = now
}

// queue is where o waits on its socket.
func (o *op) queue() *[]*op {
	if o.Code == driver.Send || o.Code == driver.Connect {
		return &o.s.writers
	}
	return &o.s.readers
}

// end takes o out of everything and lets go of its socket.
func (d *Driver) end(o *op) {
	q := o.queue()
	for i, other := range *q {
		if other == o {
			copy((*q)[i:], (*q)[i+1:])
			(*q)[len(*q)-1] = nil
			*q = (*q)[:len(*q)-1]
			wake(*q)
			break
		}
	}
	s := o.s
	d.slots[o.Token.Slot()] = nil
	o.s, o.Op = nil, driver.Op{}
	if !o.queued {
		d.pool = append(d.pool, o)
	}
	s.unref()
}

// finish posts o's final completion, which carries no buffer.
func (d *Driver) finish(o *op, res int32) {
	token, lane := o.Token, o.lane()
	d.end(o)
	d.push(late{Completion: driver.Completion{Token: token, Res: res, Bid: driver.NoBuffer}, lane: lane, fd: -1})
}

// post completes what has no socket.
func (d *Driver) post(t driver.Token, res int32) {
	d.push(late{Completion: driver.Completion{Token: t, Res: res, Bid: driver.NoBuffer}, fd: -1})
}

// push hands a completion over, now or late. Behind one that is late all are, also when faults have just been switched
// off: it might be of the same lane.
func (d *Driver) push(l late) {
	if d.w.sched.faulty() || len(d.late.list) > 0 {
		d.late.push(l, d.w.sched.delay())
		return
	}
	d.done.Push(l.Completion)
}

// lane is the order that o's completions keep.
func (o *op) lane() lane {
	if o.Code == driver.Send || o.Code == driver.Connect {
		return o.s.serial<<1 | 1
	}
	return o.s.serial << 1
}

// stays reports whether a multishot op stays armed after a good result.
func (d *Driver) stays(o *op) bool {
	return o.Multi && d.burst == 0 && !d.w.sched.chance(d.w.sched.faults.LostMore)
}

// cancel ends the target at once: without faults it is never too late, and 0 and -ENOENT are its only answers.
func (d *Driver) cancel(req driver.Op) {
	i := int(req.Target.Slot())
	if i >= len(d.slots) || d.slots[i] == nil || d.slots[i].Token != req.Target {
		d.post(req.Token, -int32(unix.ENOENT))
		return
	}
	o, answer, end := d.slots[i], int32(0), d.abandon
	if d.w.sched.chance(d.w.sched.faults.CancelRace) {
		answer, end = -int32(o.tooLate()), d.raced
	}
	first := d.w.sched.cancelFirst()
	if first {
		d.post(req.Token, answer)
	}
	end(o)
	if !first {
		d.post(req.Token, answer)
	}
}

func (d *Driver) abandon(o *op) { d.finish(o, -int32(unix.ECANCELED)) }

// tooLate is the answer to a cancel of o that lost the race. One with a result may have gone already; one without is
// under way and is interrupted.
func (o *op) tooLate() unix.Errno {
	if o.movable() {
		return o.d.w.sched.tooLate()
	}
	return unix.EALREADY
}

// raced ends an op that is being canceled by its own result, if it has one.
func (d *Driver) raced(o *op) {
	target := o.Token
	o.Multi = false // what it does now is the last
	if o.movable() {
		d.step(o)
	}
	if left := d.slots[target.Slot()]; left == o && left.Token == target {
		d.abandon(o)
	}
}

// movable reports whether o would post a result now.
func (o *op) movable() bool {
	if (*o.queue())[0] != o {
		return false
	}
	switch o.Code {
	case driver.Accept:
		return o.s.state != listening || len(o.s.listener.queue) > 0
	case driver.Recv:
		_, ready := o.s.readable()
		return ready
	case driver.Send:
		return o.s.writable()
	}
	return o.s.state == connected || o.s.err != 0
}

// step moves o as far as one completion. It reports whether o might move again.
func (d *Driver) step(o *op) bool {
	if (*o.queue())[0] != o {
		return false // made ready again when it is the first
	}
	switch o.Code {
	case driver.Accept:
		return d.stepAccept(o)
	case driver.Recv:
		return d.stepRecv(o)
	case driver.Send:
		d.stepSend(o)
	case driver.Connect:
		d.stepConnect(o)
	default:
		panic(fmt.Sprintf("BUG: op code %d", o.Code))
	}
	return false
}

func (d *Driver) stepAccept(o *op) bool {
	if o.s.state != listening {
		d.finish(o, -int32(unix.EINVAL))
		return false
	}
	if len(o.s.listener.queue) == 0 {
		return false
	}
	if d.unasked(o) {
		return false
	}
	if d.w.open >= d.w.fdMax { // accept4 reserves the descriptor first: the connection stays queued
		d.finish(o, -int32(unix.EMFILE))
		return false
	}
	if errno := d.w.sched.acceptErr(); errno != 0 {
		if errno == unix.ECONNABORTED || errno == unix.EPROTO {
			o.s.accept().drop()
		}
		d.finish(o, -int32(errno))
		return false
	}
	fd, _ := d.w.allocate(o.s.accept())
	more := d.stays(o)
	d.push(late{Completion: driver.Completion{Token: o.Token, Res: int32(fd), Bid: driver.NoBuffer, More: more}, lane: o.lane(), fd: fd})
	if !more {
		d.end(o)
	}
	return more
}

// unasked now and then ends a multishot as a driver does that has found it forgotten.
func (d *Driver) unasked(o *op) bool {
	if !o.Multi || !d.w.sched.chance(d.w.sched.faults.Unasked) {
		return false
	}
	d.abandon(o)
	return true
}

func (d *Driver) stepRecv(o *op) bool {
	n, ready := o.s.readable()
	if d.w.sched.noBuffers() { // the kernel looks for a buffer first (axboe/liburing#1275)
		return d.refuseBuffer(o)
	}
	if !ready {
		return false
	}
	if d.unasked(o) {
		return false
	}
	if n == 0 {
		_, errno := o.s.recv(nil)
		d.finish(o, -int32(errno))
		return false
	}
	bid, ok := d.group.Take()
	if !ok {
		return d.refuseBuffer(o)
	}
	buf := d.group.Buffer(bid)
	n = d.w.sched.part(d.w.sched.faults.ShortRecv, d.w.sched.cut(min(n, len(buf))))
	n, _ = o.s.recv(buf[:n])
	c := late{Completion: driver.Completion{Token: o.Token, Res: int32(n), Bid: bid, More: d.stays(o)}, lane: o.lane(), fd: -1}
	if !c.More {
		d.end(o)
	}
	d.push(c)
	return c.More
}

func (d *Driver) refuseBuffer(o *op) bool {
	d.count.NoBuffers++
	d.finish(o, -int32(unix.ENOBUFS))
	return false
}

func (d *Driver) stepSend(o *op) {
	if errno := d.w.sched.interrupted(); errno != 0 {
		d.finish(o, -int32(errno))
		return
	}
	n, errno := o.s.send(o.Buf[:d.w.sched.part(d.w.sched.faults.ShortSend, len(o.Buf))])
	switch errno {
	case 0:
		d.finish(o, int32(n))
	case unix.EAGAIN:
	default:
		d.finish(o, -int32(errno))
	}
}

func (d *Driver) stepConnect(o *op) {
	switch {
	case o.s.state == connected:
		d.finish(o, 0)
	case o.s.err != 0:
		d.finish(o, -int32(o.s.takeErr()))
	}
}

// beginConnect reads the raw sockaddr (ip(7), ipv6(7)) and begins to connect.
func (s *socket) beginConnect(raw []byte) unix.Errno {
	dst, ok := parseSockaddr(raw)
	if !ok {
		return unix.EINVAL
	}
	return s.connect(dst)
}

func parseSockaddr(raw []byte) (netip.AddrPort, bool) {
	if len(raw) < unix.SizeofSockaddrInet4 {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(raw[2:])
	switch binary.NativeEndian.Uint16(raw) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), port), true
	case unix.AF_INET6:
		if len(raw) >= unix.SizeofSockaddrInet6 {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw[8:24])).Unmap(), port), true
		}
	}
	return netip.AddrPort{}, false
}
