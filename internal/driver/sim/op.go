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
		d.slots = append(d.slots, nil)
	}
	if d.slots[i] != nil {
		panic(fmt.Sprintf("BUG: token slot %d is used by two ops in flight", i))
	}
	d.slots[i] = o
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
	token := o.Token
	d.end(o)
	d.post(token, res)
}

func (d *Driver) post(t driver.Token, res int32) {
	d.done.Push(driver.Completion{Token: t, Res: res, Bid: driver.NoBuffer})
}

// cancel ends the target at once, so that it is never too late: 0 and -ENOENT are its only answers.
func (d *Driver) cancel(req driver.Op) {
	i := int(req.Target.Slot())
	if i >= len(d.slots) || d.slots[i] == nil || d.slots[i].Token != req.Target {
		d.post(req.Token, -int32(unix.ENOENT))
		return
	}
	first := d.w.sched.cancelFirst()
	if first {
		d.post(req.Token, 0)
	}
	d.finish(d.slots[i], -int32(unix.ECANCELED))
	if !first {
		d.post(req.Token, 0)
	}
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
	if d.w.open >= d.w.fdMax { // accept4 reserves the descriptor first: the connection stays queued
		d.finish(o, -int32(unix.EMFILE))
		return false
	}
	fd, _ := d.w.allocate(o.s.accept())
	d.done.Push(driver.Completion{Token: o.Token, Res: int32(fd), Bid: driver.NoBuffer, More: o.Multi})
	if !o.Multi {
		d.end(o)
	}
	return o.Multi
}

func (d *Driver) stepRecv(o *op) bool {
	n, ready := o.s.readable()
	if !ready {
		return false
	}
	if n == 0 {
		_, errno := o.s.recv(nil)
		d.finish(o, -int32(errno))
		return false
	}
	bid, ok := d.group.Take()
	if !ok {
		d.count.NoBuffers++
		d.finish(o, -int32(unix.ENOBUFS))
		return false
	}
	buf := d.group.Buffer(bid)
	n, _ = o.s.recv(buf[:d.w.sched.cut(min(n, len(buf)))])
	c := driver.Completion{Token: o.Token, Res: int32(n), Bid: bid, More: o.Multi}
	if !o.Multi {
		d.end(o)
	}
	d.done.Push(c)
	return c.More
}

func (d *Driver) stepSend(o *op) {
	n, errno := o.s.send(o.Buf)
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
