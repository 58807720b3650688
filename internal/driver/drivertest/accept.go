package drivertest

import (
	"errors"
	"io"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

func acceptTests() []test {
	return []test{
		{name: "AcceptMulti", run: acceptMulti},
		{name: "AcceptOnce", run: acceptOnce},
		{name: "AcceptedSocketNeverWaits", run: acceptedSocket, real: true},
		{name: "AcceptBadDescriptor", run: acceptBad},
		{name: "ListenGroup", run: listenGroup},
		{name: "CloseListenerResetsTheUnaccepted", run: closeListener},
	}
}

// One armed op takes every connection: those that came before it, with it, and after it.
func acceptMulti(r *rig) {
	r.listen()
	for round := range 3 {
		for range 20 {
			r.dial()
		}
		r.until("all are accepted", func() bool { return len(r.taken.fds) == 20*(round+1) })
	}
	r.equal("still armed", r.taken.final, false)
	for i, fd := range r.taken.fds { // no two peers on one connection
		n, errno := r.d.TrySend(fd, []byte{byte(i)})
		r.equal("sent", n, 1)
		r.equal("errno", errno, unix.Errno(0))
	}
	seen := make(map[byte]bool)
	for _, p := range r.peers {
		seen[r.read(p, 1)[0]] = true
	}
	r.equal("peers reached", len(seen), 60)
}

// An op without Multi takes one connection, whether it was there before the op or comes after it, and
// leaves the rest in the backlog.
func acceptOnce(r *rig) {
	r.listen()
	r.ended(r.cancel(r.taken))
	r.ended(r.taken)
	for range 3 {
		r.dial()
	}
	for range 3 {
		f := r.submit(driver.Op{Code: driver.Accept, FD: int32(r.lfd)})
		r.ended(f)
		r.equal("connections of one op", len(f.fds), 1)
	}
	f := r.submit(driver.Op{Code: driver.Accept, FD: int32(r.lfd)})
	r.turn()
	r.equal("ended without a connection", f.final, false)
	for range 2 {
		r.dial()
	}
	r.ended(f)
	r.turn()
	r.equal("connections of one op", len(f.fds), 1)
}

// read takes exactly n bytes from the peer.
func (r *rig) read(p Peer, n int) []byte {
	r.Helper()
	got, buf := []byte(nil), make([]byte, n)
	r.until("the peer has read", func() bool {
		k, err := p.Read(buf[:n-len(got)])
		r.ok(err)
		got = append(got, buf[:k]...)
		return len(got) == n
	})
	return got
}

// readEnd reads until the connection ends and returns the bytes and how it ended.
func (r *rig) readEnd(p Peer) (n int, err error) {
	r.Helper()
	buf := make([]byte, 64<<10)
	r.until("the peer sees the end", func() bool {
		var k int
		k, err = p.Read(buf)
		n += k
		return err != nil
	})
	return n, err
}

func acceptedSocket(r *rig) {
	_, fd := r.pair()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	r.ok(err)
	r.equal("non-blocking", flags&unix.O_NONBLOCK, unix.O_NONBLOCK)
	flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	r.ok(err)
	r.equal("close-on-exec", flags&unix.FD_CLOEXEC, unix.FD_CLOEXEC)
}

func acceptBad(r *rig) {
	_, fd := r.pair()
	r.closeFD(fd)
	for _, code := range []driver.Code{driver.Accept, driver.Recv, driver.Send} {
		f := r.submit(driver.Op{Code: code, FD: int32(fd), Buf: []byte("x")})
		r.ended(f)
		r.equal("errno", f.errno(), unix.EBADF)
	}
	_, errno := r.d.TrySend(fd, []byte("x"))
	r.equal("errno", errno, unix.EBADF)
	r.equal("error of CloseFD", errors.Is(r.d.CloseFD(fd), unix.EBADF), true)
}

// A second instance is refused; siblings are not, and get connections only once they listen.
func listenGroup(r *rig) {
	r.listen()
	spec := driver.ListenSpec{Network: "tcp4", Addr: r.addr, Exclusive: true}
	_, _, err := r.d.Listen(spec)
	r.equal("second instance refused", errors.Is(err, unix.EADDRINUSE), true)
	spec.Exclusive = false
	fd, bound, err := r.d.Listen(spec)
	r.ok(err)
	r.fds[fd] = true
	r.equal("same address", bound, r.addr)
	for range 30 {
		r.dial()
	}
	r.until("the first takes all", func() bool { return len(r.taken.fds) == 30 })
	r.ok(r.d.StartListen(fd, 0))
	second := r.submit(driver.Op{Code: driver.Accept, FD: int32(fd), Multi: true})
	for range 100 {
		r.dial()
	}
	r.until("both take all", func() bool { return len(r.taken.fds)+len(second.fds) == 130 })
	if n := len(second.fds); n < 10 || n > 90 {
		r.Errorf("the sibling got %d of 100 connections: not spread", n)
	}
	local, err := r.d.Sockname(second.fds[0])
	r.ok(err)
	r.equal("local address", local, r.addr)
	remote, err := r.d.Peername(second.fds[0])
	r.ok(err)
	r.equal("remote host", remote.Addr(), netip.MustParseAddr("127.0.0.1"))
}

func closeListener(r *rig) {
	r.listen()
	r.ended(r.cancel(r.taken))
	r.ended(r.taken)
	p := r.dial()
	r.closeFD(r.lfd)
	_, err := r.readEnd(p)
	r.equal("peer's end", errors.Is(err, unix.ECONNRESET) || err == io.EOF, true)
	_, err = r.net.Dial(r.addr)
	r.equal("refused", errors.Is(err, unix.ECONNREFUSED), true)
}
