package drivertest

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

func sendTests() []test {
	return []test{
		{name: "SendSmall", run: sendSmall},
		{name: "SendLargeToSlowPeer", run: sendLarge},
		{name: "TrySendUntilFull", run: trySendFull},
		{name: "SendWaitsBehindFullSocket", run: sendWaits},
		{name: "SendToGonePeer", run: sendGone},
		{name: "SendWaitingWhenPeerResets", run: sendReset},
		{name: "ShutdownWrite", run: shutdownWrite},
	}
}

func sendSmall(r *rig) {
	p, fd := r.pair()
	for _, s := range []string{"a", "bc", "def"} {
		f := r.send(fd, []byte(s))
		r.ended(f)
		r.equal("sent", int(f.res), len(s))
		r.equal("peer read", string(r.read(p, len(s))), s)
	}
	f := r.send(fd, nil)
	r.ended(f)
	r.equal("empty send", f.res, int32(0))
}

// A send may be short; what is left is sent again. The peer reads a little at a time.
func sendLarge(r *rig) {
	p, fd := r.pair()
	data := pattern(8<<20, 6)
	rest, got, buf := data, []byte(nil), make([]byte, 100000)
	f := r.send(fd, rest)
	r.until("the peer has all", func() bool {
		if f.final && len(rest) > 0 {
			if f.res <= 0 {
				r.Fatalf("send of %d bytes ended with %d", len(rest), f.res)
			}
			if rest = rest[f.res:]; len(rest) > 0 {
				f = r.send(fd, rest)
			}
		}
		n, err := p.Read(buf)
		r.ok(err)
		got = append(got, buf[:n]...)
		return len(got) >= len(data) && len(rest) == 0
	})
	r.equalData("stream", got, data)
}

// settled is how long a full socket must stay full: longer than the peer's delayed ACK (40 ms), which
// makes room once more. On a slow machine the ACK may be later still; fullMax is when it cannot come any more.
const settled, fullMax = 60 * time.Millisecond, 2 * time.Second

// fill sends until the socket takes no more and returns how much it took.
func (r *rig) fill(fd int) (n int) {
	r.Helper()
	block := pattern(256<<10, 7)
	for last := time.Now(); ; r.turn() {
		k, errno := r.d.TrySend(fd, block)
		n += k
		switch {
		case errno == 0:
			last = time.Now()
		case errno != unix.EAGAIN:
			r.Fatalf("TrySend: %v", errno)
		case !r.real || time.Since(last) > settled && acked(fd) || time.Since(last) > fullMax:
			return n
		}
	}
}

// waiting fills fd's socket and submits a send that waits. One that still finds room, because of an ACK or a probe of
// the window that came late, belongs to what fills; n counts it.
func (r *rig) waiting(fd int, p []byte) (f *flight, n int) {
	r.Helper()
	for {
		n += r.fill(fd)
		f = r.send(fd, p)
		r.turn()
		for from := time.Now(); r.real && !f.final && time.Since(from) < probed; {
			r.turn()
		}
		if !f.final {
			return f, n
		}
		r.equal("a late send", f.res > 0, true)
		n += int(f.res)
	}
}

// probed is longer than the kernel waits before it probes a closed window (200 ms).
const probed = 250 * time.Millisecond

// acked reports whether all that left fd has arrived: tcp(7), TCP_INFO.
func acked(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err != nil || info.Unacked == 0
}

func trySendFull(r *rig) {
	p, fd := r.pair()
	n := r.fill(fd)
	if n == 0 {
		r.Fatal("nothing could be sent")
	}
	r.read(p, n)
	k, errno := r.d.TrySend(fd, []byte("room"))
	r.equal("sent", k, 4)
	r.equal("errno", errno, unix.Errno(0))
}

// A send op on a full socket stays in flight, however long, and goes on when the peer reads. Other ops
// on the same socket go on meanwhile.
func sendWaits(r *rig) {
	p, fd := r.pair()
	r.ok(r.d.SetBuffers(fd, 0, 64<<10))
	for round := range 3 {
		f, n := r.waiting(fd, []byte("after"))
		in := r.recv(fd, round%2 == 0)
		r.write(p, []byte("hello"))
		data, in := r.gather(in, 5)
		r.equal("the receive beside it", string(data), "hello")
		r.equal("send has ended", f.final, false)
		r.read(p, n)
		r.ended(f)
		r.equal("sent", f.res, int32(5))
		r.equal("peer read", string(r.read(p, 5)), "after")
		if !in.final {
			r.ended(r.cancel(in))
			r.ended(in)
		}
	}
}

func sendGone(r *rig) {
	p, fd := r.pair()
	r.ok(p.Close())
	var f *flight
	r.until("the send fails", func() bool { // the first one may still leave
		if f == nil || f.final && f.res > 0 {
			f = r.send(fd, []byte("x"))
		}
		return f.final && f.res <= 0
	})
	r.equal("errno", f.errno() == unix.EPIPE || f.errno() == unix.ECONNRESET, true)
}

func sendReset(r *rig) {
	p, fd := r.pair()
	f, _ := r.waiting(fd, pattern(1000, 8))
	r.ok(p.Reset())
	r.ended(f)
	r.equal("errno", f.errno() == unix.EPIPE || f.errno() == unix.ECONNRESET, true)
}

// Our direction ends after what is queued; the other one goes on.
func shutdownWrite(r *rig) {
	p, fd := r.pair()
	in := r.recv(fd, true)
	n := r.fill(fd)
	r.ok(r.d.ShutdownWrite(fd))
	got, err := r.readEnd(p)
	r.equal("delivered", got, n)
	r.equal("end", err, io.EOF)
	_, errno := r.d.TrySend(fd, []byte("x"))
	r.equal("send afterwards", errno, unix.EPIPE)
	r.write(p, []byte("answer"))
	r.ok(p.CloseWrite())
	r.ended(in)
	r.equal("stream", string(in.data), "answer")
	_, err = p.Write([]byte("x"))
	r.equal("peer's write", errors.Is(err, unix.EPIPE), true)
}
