package drivertest

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

func cancelTests() []test {
	return []test{
		{name: "CancelArmedRecv", run: cancelRecv},
		{name: "CancelAccept", run: cancelAccept},
		{name: "CancelWaitingSend", run: cancelSend},
		{name: "CancelEndedOp", run: cancelEnded},
		{name: "CancelRacingData", run: cancelRace},
		{name: "CloseAfterCancelReusesNumber", run: reuseAfterCancel},
		{name: "CloseBesideCancelReusesNumber", run: reuseBesideCancel},
		{name: "CloseWithoutCancelReusesNumber", run: reuseWithoutCancel},
		{name: "ReuseBehindTheDriversBack", run: reuseBehind, real: true},
		{name: "LeavingDescriptorStaysQuiet", run: leavingIsQuiet, real: true},
	}
}

// canceled checks the two completions of a cancel that found its target waiting.
func (r *rig) canceled(f, c *flight) {
	r.Helper()
	r.ended(f)
	r.ended(c)
	r.equal("target", f.errno(), unix.ECANCELED)
	r.equal("cancel", c.res, int32(0))
	r.equal("cancel's completions", c.count, 1)
}

func cancelRecv(r *rig) {
	p, fd := r.pair()
	for _, multi := range []bool{true, false, true} {
		f := r.recv(fd, multi)
		r.turn()
		r.canceled(f, r.cancel(f))
		r.write(p, []byte("kept")) // for the next one
		data, _ := r.gather(r.recv(fd, false), 4)
		r.equal("stream", string(data), "kept")
	}
	f := r.recv(fd, true) // both in one submission
	r.canceled(f, r.cancel(f))
}

func cancelAccept(r *rig) {
	r.listen()
	r.turn()
	r.canceled(r.taken, r.cancel(r.taken))
	r.dial()
	r.arm()
	r.until("the waiting connection", func() bool { return len(r.taken.fds) == 1 })
}

func cancelSend(r *rig) {
	p, fd := r.pair()
	f, n := r.waiting(fd, []byte("never"))
	in := r.recv(fd, true)
	r.turn()
	r.canceled(f, r.cancel(f))
	r.write(p, []byte("x"))
	r.until("the receive goes on", func() bool { return len(in.data) == 1 })
	r.read(p, n)
	r.ended(r.send(fd, []byte("now")))
	r.equal("peer read", string(r.read(p, 3)), "now")
}

func cancelEnded(r *rig) {
	p, fd := r.pair()
	f := r.recv(fd, false)
	r.write(p, []byte("x"))
	r.ended(f)
	c := r.cancel(f)
	r.ended(c)
	r.equal("cancel", c.errno(), unix.ENOENT)
	next := r.recv(fd, true) // most likely in the same slot, one generation on
	c = r.cancel(f)
	r.ended(c)
	r.equal("cancel", c.errno(), unix.ENOENT)
	r.equal("the slot's next owner was hit", next.final, false)
	c = r.cancel(&flight{op: driver.Op{Token: driver.NewToken(9, 9, 1<<20)}})
	r.ended(c)
	r.equal("cancel", c.errno(), unix.ENOENT)
}

// Data and a cancel meet: whichever wins, both completions come and no byte is lost.
func cancelRace(r *rig) {
	p, fd := r.pair()
	var want, got []byte
	for i := range 200 {
		f := r.recv(fd, i%2 == 0)
		if i%3 == 0 {
			r.turn()
		}
		r.write(p, []byte{byte(i)})
		want = append(want, byte(i))
		c := r.cancel(f)
		r.ended(c)
		r.ended(f)
		switch c.errno() {
		case 0, unix.ENOENT, unix.EALREADY:
		default:
			r.Fatalf("cancel: %v", c.errno())
		}
		got = append(got, f.data...)
	}
	last := r.recv(fd, true)
	r.until("the rest", func() bool { return len(got)+len(last.data) == len(want) })
	r.equalData("stream", append(got, last.data...), want)
}

// exchange proves that fd belongs to p's connection and to no other.
func (r *rig) exchange(p Peer, fd int, multi bool, b byte) *flight {
	r.Helper()
	f := r.recv(fd, multi)
	r.turn()
	r.write(p, []byte{b, b})
	data, f := r.gather(f, 2)
	r.equal("stream", string(data), string([]byte{b, b}))
	return f
}

func reuseAfterCancel(r *rig) {
	reused := 0
	last := -1
	for i := range 50 {
		p, fd := r.pair()
		if fd == last {
			reused++
		}
		f := r.exchange(p, fd, i%2 == 0, byte(i))
		if !f.final {
			r.canceled(f, r.cancel(f))
		}
		r.closeFD(fd)
		r.ok(p.Close())
		last = fd
	}
	if reused == 0 {
		r.Log("no descriptor number was reused")
	}
}

// The descriptor goes while its ops are about to end; their late completions carry the old tokens, and
// the next owner of the number gets its own bytes only.
func reuseBesideCancel(r *rig) {
	for i := range 50 {
		p, fd := r.pair()
		f := r.recv(fd, true)
		r.turn()
		r.write(p, []byte("old"))
		c := r.cancel(f)
		r.closeFD(fd)
		p2, fd2 := r.pair()
		f2 := r.exchange(p2, fd2, true, byte(i))
		r.ended(f)
		r.ended(c)
		if s := string(f.data); s != "" && s != "old" {
			r.Fatalf("the closed connection received %q", s)
		}
		r.canceled(f2, r.cancel(f2))
		r.closeFD(fd2)
	}
}

// A descriptor is lost without a cancel (a fault above the driver). The op that waited there must not
// take the bytes of the number's next owner.
func reuseWithoutCancel(r *rig) {
	for i := range 20 {
		_, fd := r.pair()
		f := r.recv(fd, i%2 == 0)
		r.turn()
		r.closeFD(fd)
		p2, fd2 := r.pair()
		f2 := r.exchange(p2, fd2, true, byte(i))
		r.equal("the lost op's bytes", len(f.data), 0)
		r.canceled(f2, r.cancel(f2))
		if !f.final {
			r.cancel(f)
			r.ended(f)
		}
		r.closeFD(fd2)
	}
}

// A descriptor leaves for another owner, who closes it and gives its number to another connection; the
// driver never hears of it.
func reuseBehind(r *rig) {
	for i := range 50 {
		p, fd := r.pair()
		f := r.exchange(p, fd, i%3 == 0, byte(i))
		if !f.final {
			r.canceled(f, r.cancel(f))
		}
		r.ok(unix.Dup3(0, fd, unix.O_CLOEXEC)) // holds the number
		p2, fd2 := r.pair()
		r.ok(unix.Dup3(fd2, fd, unix.O_CLOEXEC))
		r.closeFD(fd2)
		f2 := r.exchange(p2, fd, true, byte(i))
		r.canceled(f2, r.cancel(f2))
		r.closeFD(fd)
	}
}

// Once its last op is canceled, a descriptor's traffic no longer wakes the core, even where another
// descriptor keeps the socket open (net.FileConn duplicates).
func leavingIsQuiet(r *rig) {
	p, fd := r.pair()
	f := r.exchange(p, fd, true, 'x')
	r.canceled(f, r.cancel(f))
	copied, err := unix.Dup(fd)
	r.ok(err)
	defer unix.Close(copied)
	r.closeFD(fd)
	r.turn()
	longest := time.Duration(0)
	for range 5 {
		r.write(p, []byte("not ours"))
		start := time.Now()
		r.equal("completions", r.wait(1, 20*time.Millisecond), 0)
		longest = max(longest, time.Since(start))
	}
	if longest < 15*time.Millisecond {
		r.Errorf("traffic of a descriptor that left ended every Wait, the last after %v", longest)
	}
	n, err := unix.Read(copied, make([]byte, 64))
	r.ok(err)
	r.equal("bytes for the new owner", n, 40)
}
