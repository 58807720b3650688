package sim

import (
	"errors"
	"io"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// rig is one core's driver with one accepted connection.
type rig struct {
	t    *testing.T
	w    *World
	d    *Driver
	addr netip.AddrPort
	lfd  int
	peer *Peer
	fd   int
	slot uint32
}

func newRig(t *testing.T, seed uint64, cfg Config) *rig {
	t.Helper()
	w := New(seed)
	r := &rig{t: t, w: w, d: w.Driver(0, cfg)}
	var err error
	spec := driver.ListenSpec{Network: "tcp", Addr: netip.MustParseAddrPort("127.0.0.1:0"), Exclusive: true}
	if r.lfd, r.addr, err = r.d.Listen(spec); err != nil {
		t.Fatal(err)
	}
	r.peer, r.fd = r.connect()
	return r
}

// connect dials and accepts one connection.
func (r *rig) connect() (*Peer, int) {
	r.t.Helper()
	p, err := r.w.Dial(r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.submit(driver.Op{Code: driver.Accept, FD: int32(r.lfd)})
	return p, int(r.one().Res)
}

func (r *rig) submit(op driver.Op) driver.Token {
	r.slot++
	op.Token = driver.NewToken(1, 1, r.slot)
	r.d.Submit(op)
	return op.Token
}

func (r *rig) wait() []driver.Completion {
	r.t.Helper()
	out := make([]driver.Completion, 64)
	n, err := r.d.Wait(out, 1, -1)
	if err != nil {
		r.t.Fatal(err)
	}
	return out[:n]
}

func (r *rig) one() driver.Completion {
	r.t.Helper()
	got := r.wait()
	if len(got) != 1 {
		r.t.Fatalf("got %d completions %v, want 1", len(got), got)
	}
	return got[0]
}

// recv receives once and recycles.
func (r *rig) recv(fd int) (string, unix.Errno) {
	r.t.Helper()
	r.submit(driver.Op{Code: driver.Recv, FD: int32(fd)})
	c := r.one()
	if c.Bid == driver.NoBuffer {
		return "", c.Errno()
	}
	defer r.d.Recycle(c.Bid)
	return string(r.d.Buffer(c.Bid)[:c.Res]), 0
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.d.Close(); err != nil {
		r.t.Fatal(err)
	}
	_ = r.d.CloseFD(r.lfd)
	_ = r.d.CloseFD(r.fd)
	if n := r.w.OpenFDs(); n != 0 {
		r.t.Errorf("%d descriptors left open", n)
	}
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// What each end sees after close and reset. The conformance suite takes the same steps on the kernel.
func TestCloseAndReset(t *testing.T) {
	buf := make([]byte, 100)
	t.Run("peer closes in good order", func(t *testing.T) {
		r := newRig(t, 0, Config{})
		defer r.close()
		r.peer.Write([]byte("bye"))
		r.peer.Close()
		data, _ := r.recv(r.fd)
		want(t, "data", data, "bye")
		_, errno := r.recv(r.fd)
		want(t, "end of file", errno, 0)
		n, errno := r.d.TrySend(r.fd, []byte("late")) // leaves, and a reset comes back
		want(t, "first send", n, 4)
		want(t, "first send", errno, 0)
		_, errno = r.d.TrySend(r.fd, []byte("late"))
		want(t, "second send", errno, unix.EPIPE)
		_, errno = r.recv(r.fd)
		want(t, "still end of file", errno, 0)
	})
	t.Run("peer resets", func(t *testing.T) {
		r := newRig(t, 0, Config{})
		defer r.close()
		r.peer.Write([]byte("tail"))
		r.peer.Reset()
		data, _ := r.recv(r.fd) // what has arrived stays readable
		want(t, "data", data, "tail")
		_, errno := r.recv(r.fd)
		want(t, "reset", errno, unix.ECONNRESET)
		_, errno = r.recv(r.fd)
		want(t, "reported once", errno, 0)
		_, errno = r.d.TrySend(r.fd, []byte("x"))
		want(t, "send", errno, unix.EPIPE)
	})
	t.Run("we close with unread input", func(t *testing.T) {
		r := newRig(t, 0, Config{})
		defer r.close()
		r.d.TrySend(r.fd, []byte("answer"))
		r.peer.Write([]byte("unread"))
		r.d.CloseFD(r.fd)
		n, err := r.peer.Read(buf)
		want(t, "answer", string(buf[:n]), "answer")
		want(t, "answer", err, nil)
		_, err = r.peer.Read(buf)
		want(t, "reset", err, error(unix.ECONNRESET))
	})
	t.Run("we shut down, the peer goes on", func(t *testing.T) {
		r := newRig(t, 0, Config{})
		defer r.close()
		want(t, "shutdown", r.d.ShutdownWrite(r.fd), nil)
		_, err := r.peer.Read(buf)
		want(t, "end of file", err, io.EOF)
		r.peer.Write([]byte("more"))
		data, _ := r.recv(r.fd)
		want(t, "data", data, "more")
		_, errno := r.d.TrySend(r.fd, []byte("x"))
		want(t, "send after shutdown", errno, unix.EPIPE)
	})
	t.Run("abort", func(t *testing.T) {
		r := newRig(t, 0, Config{})
		defer r.close()
		r.d.SetLingerAbort(r.fd)
		r.d.CloseFD(r.fd)
		_, err := r.peer.Read(buf)
		want(t, "reset", err, error(unix.ECONNRESET))
	})
	t.Run("listener closes with a connection nobody accepted", func(t *testing.T) {
		r := newRig(t, 0, Config{})
		defer r.close()
		p, err := r.w.Dial(r.addr)
		want(t, "dial", err, nil)
		r.d.CloseFD(r.lfd)
		_, err = p.Read(buf)
		want(t, "reset", err, error(unix.ECONNRESET))
		_, err = r.w.Dial(r.addr)
		want(t, "dial", errors.Is(err, unix.ECONNREFUSED), true)
	})
}

// A reset loses what the sender still had, and keeps what the receiver already had.
func TestResetLosesTheSendersQueue(t *testing.T) {
	r := newRig(t, 0, Config{})
	defer r.close()
	n, _ := r.d.TrySend(r.fd, make([]byte, 1<<20))
	want(t, "both queues", n, 2*BufferDefault)
	r.peer.Write([]byte("unread"))
	r.d.CloseFD(r.fd)
	got, err := 0, error(nil)
	for buf := make([]byte, 64<<10); err == nil; {
		n, err = r.peer.Read(buf)
		got += n
	}
	want(t, "error", err, error(unix.ECONNRESET))
	want(t, "bytes", got, BufferDefault)
}

func TestGroup(t *testing.T) {
	r := newRig(t, 3, Config{})
	defer r.close()
	d1 := r.w.Driver(1, Config{})
	defer d1.Close()
	spec := driver.ListenSpec{Network: "tcp", Addr: r.addr}
	fd1, _, err := d1.Listen(spec)
	want(t, "sibling", err, nil)
	spec.Exclusive = true
	_, _, err = d1.Listen(spec)
	want(t, "second instance is refused", errors.Is(err, unix.EADDRINUSE), true)
	for range 10 { // bound, not listening: gets nothing
		_, err := r.w.Dial(r.addr)
		want(t, "dial", err, nil)
	}
	want(t, "start", d1.StartListen(fd1, 0), nil)
	for range 100 {
		_, err := r.w.Dial(r.addr)
		want(t, "dial", err, nil)
	}
	r.submit(driver.Op{Code: driver.Accept, FD: int32(r.lfd), Multi: true})
	d1.Submit(driver.Op{Code: driver.Accept, FD: int32(fd1), Multi: true, Token: driver.NewToken(1, 1, 1)})
	out := make([]driver.Completion, 256)
	n0, _ := r.d.Wait(out, 0, 0)
	for _, c := range out[:n0] {
		r.d.CloseFD(int(c.Res))
	}
	n1, _ := d1.Wait(out, 0, 0)
	for _, c := range out[:n1] {
		d1.CloseFD(int(c.Res))
	}
	want(t, "all accepted", n0+n1, 110)
	if n1 < 20 || n1 > 80 {
		t.Errorf("the started sibling got %d of 100: not spread", n1)
	}
	d1.Close()
	d1.CloseFD(fd1)
}

func TestDescriptorsMax(t *testing.T) {
	r := newRig(t, 0, Config{})
	defer r.close()
	r.w.SetDescriptorsMax(2) // listener and first connection
	p, _ := r.w.Dial(r.addr)
	r.submit(driver.Op{Code: driver.Accept, FD: int32(r.lfd), Multi: true})
	c := r.one()
	want(t, "errno", c.Errno(), unix.EMFILE)
	want(t, "final", c.More, false)
	r.w.SetDescriptorsMax(3)
	r.submit(driver.Op{Code: driver.Accept, FD: int32(r.lfd), Multi: true})
	c = r.one()
	want(t, "errno", c.Errno(), 0)
	want(t, "armed", c.More, true)
	p.Write([]byte("hi"))
	data, _ := r.recv(int(c.Res))
	want(t, "the waiting connection was kept", data, "hi")
	r.d.CloseFD(int(c.Res))
}

// A seed replays exactly, and different seeds cut and order differently.
func TestSeedReplays(t *testing.T) {
	play := func(seed uint64) []driver.Completion {
		r := newRig(t, seed, Config{})
		defer r.close()
		peers, fds := []*Peer{r.peer}, []int{r.fd}
		for range 4 {
			p, fd := r.connect()
			peers, fds = append(peers, p), append(fds, fd)
		}
		for _, fd := range fds {
			r.submit(driver.Op{Code: driver.Recv, FD: int32(fd), Multi: true})
		}
		for _, p := range peers {
			p.Write(make([]byte, 30000))
		}
		var all []driver.Completion
		for got := r.wait(); len(got) > 0; got = r.wait() {
			for i := range got {
				r.d.Recycle(got[i].Bid)
				got[i].Bid = driver.NoBuffer
			}
			all = append(all, got...)
		}
		for _, fd := range fds[1:] {
			r.d.CloseFD(fd)
		}
		return all
	}
	distinct := make(map[string]bool)
	for seed := range uint64(5) {
		a, b := play(seed), play(seed)
		want(t, "length", len(a), len(b))
		sum := int32(0)
		key := ""
		for i := range a {
			want(t, "completion", a[i], b[i])
			sum += a[i].Res
			key += string(rune(a[i].Token.Slot())) + string(rune(a[i].Res))
		}
		want(t, "bytes", sum, 5*30000)
		distinct[key] = true
	}
	want(t, "different schedules", len(distinct), 5)
}

// Bytes that a closed end still had in its own queue are lost when a reset is drawn from it.
func TestLateSendLosesTheClosedEndsQueue(t *testing.T) {
	r := newRig(t, 0, Config{})
	defer r.close()
	n, err := r.peer.Write(make([]byte, 1<<20))
	want(t, "written", n, 2*BufferDefault)
	want(t, "error", err, nil)
	r.peer.Close()
	r.d.TrySend(r.fd, []byte("draws a reset"))
	got, errno := 0, unix.Errno(0)
	for errno == 0 {
		var data string
		data, errno = r.recv(r.fd)
		got += len(data)
	}
	want(t, "errno", errno, unix.ECONNRESET)
	want(t, "received", got, BufferDefault)
}

// A full accept queue keeps connects waiting, in order, until there is room; a listener that goes away
// refuses them.
func TestBacklog(t *testing.T) {
	r := newRig(t, 0, Config{})
	defer r.close()
	want(t, "backlog", r.d.StartListen(r.lfd, 2), nil)
	addr := netip.MustParseAddrPort("127.0.0.1:1")
	raw := []byte{2, 0, byte(r.addr.Port() >> 8), byte(r.addr.Port()), 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	var fds []int
	for range 6 {
		fd, err := r.d.Socket("tcp", addr)
		want(t, "socket", err, nil)
		fds = append(fds, fd)
		r.submit(driver.Op{Code: driver.Connect, FD: int32(fd), Buf: raw})
	}
	want(t, "connected at once", len(r.wait()), 2)
	_, err := r.w.Dial(r.addr)
	want(t, "dial", err, error(unix.EAGAIN))
	r.submit(driver.Op{Code: driver.Accept, FD: int32(r.lfd)})
	got := r.wait() // the accepted one, and the connect that it made room for
	want(t, "completions", len(got), 2)
	want(t, "descriptor", got[0].Res > 0, true)
	fds = append(fds, int(got[0].Res))
	r.d.CloseFD(r.lfd)
	refused := 0
	for _, c := range r.wait() {
		if c.Errno() == unix.ECONNREFUSED {
			refused++
		}
	}
	want(t, "refused", refused, 3)
	for _, fd := range fds {
		r.d.CloseFD(fd)
	}
}

// Ops of one direction are served first come first served.
func TestQueueOfOneSocket(t *testing.T) {
	for seed := range uint64(5) {
		r := newRig(t, seed, Config{})
		var tokens []driver.Token
		for range 3 {
			tokens = append(tokens, r.submit(driver.Op{Code: driver.Recv, FD: int32(r.fd)}))
		}
		want(t, "nothing yet", len(r.wait()), 0)
		for _, token := range tokens {
			r.peer.Write([]byte("x"))
			c := r.one()
			want(t, "token", c.Token, token)
			r.d.Recycle(c.Bid)
		}
		for range 3 {
			r.submit(driver.Op{Code: driver.Recv, FD: int32(r.fd)})
		}
		r.peer.CloseWrite()
		want(t, "all see end of file", len(r.wait()), 3)
		r.close()
	}
}
