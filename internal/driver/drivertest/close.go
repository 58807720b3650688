package drivertest

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

func closeTests() []test {
	return []test{
		{name: "CloseWithUnreadInputResets", run: closeUnread},
		{name: "CloseDeliversWhatIsQueued", run: closeDelivers},
		{name: "CloseAborts", run: closeAborts},
		{name: "CloseDriverWithOpsInFlight", run: closeInFlight},
		{name: "CloseDriverWithUndeliveredAccepts", run: closeUndelivered},
		{name: "CloseLeavesNoMapping", run: closeMappings, real: true},
		{name: "NoAllocations", run: noAllocations},
	}
}

func closeUnread(r *rig) {
	p, fd := r.pair()
	r.ended(r.send(fd, []byte("answer")))
	r.equal("peer read", string(r.read(p, 6)), "answer")
	r.write(p, []byte("unread"))
	r.closeFD(fd)
	_, err := r.readEnd(p)
	r.equal("peer's end", err, error(unix.ECONNRESET))
}

func closeDelivers(r *rig) {
	p, fd := r.pair()
	n := r.fill(fd)
	r.closeFD(fd)
	got, err := r.readEnd(p)
	r.equal("delivered", got, n)
	r.equal("peer's end", err.Error(), "EOF")
}

func closeAborts(r *rig) {
	p, fd := r.pair()
	r.ok(r.d.SetLingerAbort(fd))
	r.closeFD(fd)
	_, err := r.readEnd(p)
	r.equal("peer's end", err, error(unix.ECONNRESET))
}

// The driver ends what the core left; rig.close finds out what stays behind.
func closeInFlight(r *rig) {
	for range 5 {
		p, fd := r.pair()
		r.fill(fd)
		r.recv(fd, true)
		r.send(fd, pattern(100000, 9))
		r.write(p, []byte("lent to nobody"))
		r.recv(fd, false)
	}
	r.turn()
	r.forget()
}

// forget makes the rig's close skip what Driver.Close must do.
func (r *rig) forget() {
	for i := range r.slots {
		r.slots[i].f = nil
	}
	clear(r.lent)
}

func closeUndelivered(r *rig) {
	r.listen()
	r.dial()
	r.until("the first is accepted", func() bool { return len(r.taken.fds) == 1 })
	for range 10 {
		r.dial()
	}
	n, err := r.d.Wait(r.out[:1], 1, time.Second) // the others may be queued inside the driver now
	r.ok(err)
	for _, c := range r.out[:n] {
		r.take(c)
	}
	r.forget()
}

// closeMappings opens and closes many drivers; the rig's own is not touched.
func closeMappings(r *rig) {
	open := func() {
		d, _ := r.open(r.TB, r.cfg)
		r.ok(d.Close())
	}
	open()
	before := mappings()
	for range 30 {
		open()
	}
	if after := mappings(); after > before+10 {
		r.Errorf("30 drivers left %d mappings behind", after-before)
	}
}

// noAllocations is the hot path: receive, recycle, answer by a send op and at once, wait.
func noAllocations(r *rig) {
	p, fd := r.pair()
	r.quiesce()
	l := &loop{r: r, p: p, fd: int32(fd), buf: make([]byte, 256)}
	l.msg = []byte("sixty-four bytes or so, the size of a small request or reply....")
	l.arm()
	for range 100 {
		l.turn()
	}
	if n := testing.AllocsPerRun(300, l.turn); n != 0 {
		r.Errorf("%v allocations in a round trip", n)
	}
	r.d.Submit(driver.Op{Code: driver.Cancel, Token: driver.NewToken(3, 1, 3), Target: l.in})
	for l.ends < 2 {
		l.wait()
	}
}

// loop is a rig without book-keeping.
type loop struct {
	r        *rig
	p        Peer
	fd       int32
	msg, buf []byte
	in, out  driver.Token
	gen      uint32
	got      int
	sent     bool
	ends     int // of the receive and its cancel
}

func (l *loop) arm() {
	l.gen++
	l.in = driver.NewToken(1, l.gen, 1)
	l.r.d.Submit(driver.Op{Code: driver.Recv, Multi: true, FD: l.fd, Token: l.in})
}

func (l *loop) turn() {
	if n, err := l.p.Write(l.msg); n != len(l.msg) || err != nil {
		l.r.Fatalf("peer wrote %d: %v", n, err)
	}
	for l.got = 0; l.got < len(l.msg); {
		l.wait()
	}
	l.gen++
	l.sent, l.out = false, driver.NewToken(2, l.gen, 2)
	l.r.d.Submit(driver.Op{Code: driver.Send, FD: l.fd, Token: l.out, Buf: l.msg})
	for !l.sent {
		l.wait()
	}
	if n, errno := l.r.d.TrySend(int(l.fd), l.msg); n != len(l.msg) {
		l.r.Fatalf("sent %d at once: %v", n, errno)
	}
	for n := 0; n < 2*len(l.msg); {
		k, err := l.p.Read(l.buf)
		if err != nil {
			l.r.Fatal(err)
		}
		n += k
	}
}

func (l *loop) wait() {
	n, err := l.r.d.Wait(l.r.out, 1, time.Second)
	if err != nil {
		l.r.Fatal(err)
	}
	for _, c := range l.r.out[:n] {
		switch {
		case c.Token == l.out:
			l.sent = c.Res == int32(len(l.msg))
		case c.Bid != driver.NoBuffer:
			l.got += int(c.Res)
			l.r.d.Recycle(c.Bid)
		default:
			l.ends++
		}
	}
}
