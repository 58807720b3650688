package drivertest

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/socket"
)

func connectTests() []test {
	return []test{
		{name: "Connect", run: connectOK},
		{name: "ConnectRefused", run: connectRefused},
		{name: "ConnectMany", run: connectMany},
	}
}

func (r *rig) connect(addr netip.AddrPort) (*flight, int) {
	r.Helper()
	fd, err := r.d.Socket("tcp", addr)
	r.ok(err)
	r.fds[fd] = true
	return r.submit(driver.Op{Code: driver.Connect, FD: int32(fd), Buf: socket.AppendSockaddr(nil, addr)}), fd
}

func (r *rig) accept(l Listener) Peer {
	r.Helper()
	var p Peer
	r.until("the listener accepts", func() bool { p = l.Accept(); return p != nil })
	r.peers = append(r.peers, p)
	return p
}

func connectOK(r *rig) {
	l, err := r.net.Listen()
	r.ok(err)
	defer l.Close()
	f, fd := r.connect(l.Addr())
	r.ended(f)
	r.equal("result", f.res, int32(0))
	p := r.accept(l)
	remote, err := r.d.Peername(fd)
	r.ok(err)
	r.equal("peer's address", remote, l.Addr())
	in := r.recv(fd, true)
	r.write(p, []byte("ping"))
	r.until("ping", func() bool { return string(in.data) == "ping" })
	r.ended(r.send(fd, []byte("pong")))
	r.equal("pong", string(r.read(p, 4)), "pong")
	again := r.submit(driver.Op{Code: driver.Connect, FD: int32(fd), Buf: socket.AppendSockaddr(nil, l.Addr())})
	r.ended(again)
	if e := again.errno(); e != unix.EISCONN && e != 0 { // 0: Linux lets the second call see the first succeed
		r.Errorf("connect of a connected socket: %v", e)
	}
}

func connectRefused(r *rig) {
	l, err := r.net.Listen()
	r.ok(err)
	addr := l.Addr()
	r.ok(l.Close())
	f, fd := r.connect(addr)
	r.ended(f)
	r.equal("errno", f.errno(), unix.ECONNREFUSED)
	r.equal("error is reported once", r.d.SocketError(fd), unix.Errno(0))
	r.closeFD(fd)
}

// Descriptors come and go, so numbers are used again for other connections.
func connectMany(r *rig) {
	l, err := r.net.Listen()
	r.ok(err)
	defer l.Close()
	for i := range 30 {
		f, fd := r.connect(l.Addr())
		r.ended(f)
		r.equal("result", f.res, int32(0))
		p := r.accept(l)
		in := r.recv(fd, i%2 == 0)
		r.write(p, []byte{byte(i)})
		r.until("the byte", func() bool { return len(in.data) == 1 })
		r.equal("byte", in.data[0], byte(i))
		if !in.final {
			r.ended(r.cancel(in))
			r.ended(in)
		}
		r.closeFD(fd)
		r.ok(p.Close())
	}
}
