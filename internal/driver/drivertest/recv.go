package drivertest

import (
	"bytes"
	"io"

	"golang.org/x/sys/unix"
)

func recvTests() []test {
	few := Config{BufferSize: 1024, Buffers: 4, BuffersMax: 4}
	return []test{
		{name: "RecvSingle", run: recvSingle},
		{name: "RecvMulti", run: recvMulti},
		{name: "RecvBeforeAndAfterData", run: recvArmed},
		{name: "RecvNoBuffers", run: recvNoBuffers, cfg: few},
		{name: "RecvGrow", run: recvGrow, cfg: Config{BufferSize: 1024, Buffers: 4, BuffersMax: 16}},
		{name: "RecvEOF", run: recvEOF},
		{name: "RecvReset", run: recvReset},
		{name: "RecvResetKeepsWhatArrived", run: recvResetKeeps},
		{name: "RecvAfterLateSend", run: recvLateSend},
		{name: "RecvEndWithLastBytes", run: recvEndWithLastBytes},
		{name: "RecvFastPeerAndQuietPeer", run: recvFair},
	}
}

// gather receives n bytes by f and, where f ends before that, by further ops of its kind (a driver may cut
// a stream anywhere). It returns the bytes and the last op, which may still be armed.
func (r *rig) gather(f *flight, n int) ([]byte, *flight) {
	r.Helper()
	var got []byte
	r.until("all bytes have arrived", func() bool {
		if len(got)+len(f.data) >= n {
			return true
		}
		if f.final {
			if f.res <= 0 && f.errno() != unix.ENOBUFS {
				r.Fatalf("receive ended with %d after %d of %d bytes", f.res, len(got), n)
			}
			got = append(got, f.data...)
			f = r.recv(int(f.op.FD), f.op.Multi)
		}
		return false
	})
	return append(got, f.data...), f
}

// pattern is n bytes that show where a stream was cut, doubled or mixed.
func pattern(n int, salt byte) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7+i>>8) ^ salt
	}
	return p
}

func (r *rig) equalData(what string, got, want []byte) {
	r.Helper()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	r.Fatalf("%s: got %d bytes, want %d; they differ at %d", what, len(got), len(want), at)
}

// A single receive takes one buffer and leaves the rest for the next one.
func recvSingle(r *rig) {
	p, fd := r.pair()
	data := pattern(20000, 1)
	r.write(p, data)
	var got []byte
	for len(got) < len(data) {
		f := r.recv(fd, false)
		r.ended(f)
		r.equal("completions", f.count, 1)
		got = append(got, f.data...)
	}
	r.equalData("stream", got, data)
}

func recvMulti(r *rig) {
	p, fd := r.pair()
	data := pattern(1<<20, 2)
	f, got := r.recv(fd, true), []byte(nil)
	for rest := data; len(rest) > 0; {
		n, err := p.Write(rest[:min(len(rest), 30000)])
		r.ok(err)
		rest = rest[n:]
		var part []byte
		part, f = r.gather(f, n)
		got, f.data = append(got, part...), nil
	}
	r.equalData("stream", got, data)
	r.equal("still armed", f.final, false)
}

// An armed receive gets each small write, with turns without any in between.
func recvArmed(r *rig) {
	p, fd := r.pair()
	r.write(p, []byte("early "))
	f := r.recv(fd, true)
	want := "early "
	for _, s := range []string{"one ", "two ", "three"} {
		r.until("what came before has arrived", func() bool { return len(f.data) == len(want) })
		r.turn()
		r.write(p, []byte(s))
		want += s
	}
	r.until("all has arrived", func() bool { return len(f.data) == len(want) })
	r.equal("stream", string(f.data), want)
	r.equal("still armed", f.final, false)
}

// An empty group ends the op; recycled buffers and a new op go on where it ended, losing nothing.
func recvNoBuffers(r *rig) {
	p, fd := r.pair()
	data := pattern(64<<10, 3)
	f := r.recv(fd, true)
	f.hold = true
	r.write(p, data)
	r.ended(f)
	r.equal("errno", f.errno(), unix.ENOBUFS)
	r.equal("buffers lent", len(f.bids), 4)
	for i, bid := range f.bids { // what arrives later does not touch lent buffers
		part := f.data[f.starts[i]:]
		if i+1 < len(f.starts) {
			part = part[:f.starts[i+1]-f.starts[i]]
		}
		r.equalData("lent buffer", r.d.Buffer(bid)[:len(part)], part)
	}
	var got []byte
	r.recycle(f)
	r.until("the rest has arrived", func() bool {
		got = append(got, f.data...)
		f.data = nil
		if f.final {
			f = r.recv(fd, true)
		}
		return len(got) == len(data)
	})
	r.equalData("stream", got, data)
	if r.d.Counters().NoBuffers == 0 {
		r.Error("Counters.NoBuffers did not count")
	}
}

// Grown buffers are lent like the first ones, up to the cap.
func recvGrow(r *rig) {
	p, fd := r.pair()
	r.equal("buffers", r.d.Buffers(), 4)
	r.write(p, pattern(32<<10, 4))
	first := r.recv(fd, true)
	first.hold = true
	r.ended(first)
	n := r.d.Grow()
	if n <= 4 || n > 16 || n != r.d.Buffers() {
		r.Fatalf("Grow made %d buffers of 4, Buffers says %d", n, r.d.Buffers())
	}
	second := r.recv(fd, true)
	second.hold = true
	r.ended(second)
	r.equal("errno", second.errno(), unix.ENOBUFS)
	r.equal("buffers lent", len(first.bids)+len(second.bids), n)
	r.equalData("stream", append(first.data, second.data...), pattern(32<<10, 4)[:len(first.data)+len(second.data)])
	for range 10 {
		n = r.d.Grow()
	}
	r.equal("cap", n, 16)
	r.recycle(first)
	r.recycle(second)
}

func recvEOF(r *rig) {
	for _, multi := range []bool{true, false} {
		p, fd := r.pair()
		f := r.recv(fd, multi)
		r.turn()
		r.ok(p.CloseWrite())
		r.ended(f)
		r.equal("result", f.res, int32(0))
		again := r.recv(fd, multi) // the end of file stays
		r.ended(again)
		r.equal("result", again.res, int32(0))
		n, errno := r.d.TrySend(fd, []byte("still open")) // our direction is
		r.equal("sent", n, 10)
		r.equal("errno", errno, unix.Errno(0))
		r.equal("peer read", string(r.read(p, 10)), "still open")
	}
}

func recvReset(r *rig) {
	p, fd := r.pair()
	f := r.recv(fd, true)
	r.turn()
	r.ok(p.Reset())
	r.ended(f)
	r.equal("errno", f.errno(), unix.ECONNRESET)
	again := r.recv(fd, true) // reported once, then end of file: tcp_recvmsg
	r.ended(again)
	r.equal("result", again.res, int32(0))
	_, errno := r.d.TrySend(fd, []byte("x"))
	r.equal("send", errno, unix.EPIPE)
}

// What had arrived before a reset is still received.
func recvResetKeeps(r *rig) {
	p, fd := r.pair()
	r.write(p, []byte("tail"))
	r.ok(p.Reset())
	data, f := r.gather(r.recv(fd, true), 4)
	r.equal("stream", string(data), "tail")
	r.ended(f)
	r.equal("errno", f.errno(), unix.ECONNRESET)
}

// A peer that has closed answers the first send with a reset. After its FIN that is EPIPE for sends, and
// still end of file for receives (tcp_reset, TCP_CLOSE_WAIT).
func recvLateSend(r *rig) {
	p, fd := r.pair()
	r.write(p, []byte("bye"))
	r.ok(p.Close())
	data, f := r.gather(r.recv(fd, false), 3)
	r.equal("stream", string(data), "bye")
	f = r.recv(fd, false)
	r.ended(f)
	r.equal("end of file", f.res, int32(0))
	n, errno := r.d.TrySend(fd, []byte("late"))
	r.equal("first send", n, 4)
	r.equal("errno", errno, unix.Errno(0))
	r.until("the reset is here", func() bool {
		_, errno := r.d.TrySend(fd, []byte("late"))
		return errno == unix.EPIPE
	})
	f = r.recv(fd, false)
	r.ended(f)
	r.equal("still end of file", f.res, int32(0))
}

// The end stands right behind the last bytes: no edge of its own tells it.
func recvEndWithLastBytes(r *rig) {
	for _, armFirst := range []bool{true, false} {
		for _, multi := range []bool{true, false} {
			p, fd := r.pair()
			var f *flight
			if armFirst {
				f = r.recv(fd, multi)
				r.turn()
			}
			r.write(p, []byte("last"))
			r.ok(p.CloseWrite())
			if !armFirst {
				f = r.recv(fd, multi)
			}
			var got []byte
			r.until("end of file", func() bool {
				if !f.final {
					return false
				}
				got = append(got, f.data...)
				if f.res > 0 {
					f = r.recv(fd, multi)
					return false
				}
				return true
			})
			r.equal("stream", string(got), "last")
			r.equal("result", f.res, int32(0))
			_, err := p.Read(make([]byte, 1))
			r.equal("peer still open", err != io.EOF, true)
		}
	}
}

// A peer that never stops cannot keep a quiet one waiting for more than a few turns.
func recvFair(r *rig) {
	fast, ffd := r.pair()
	quiet, qfd := r.pair()
	f, q := r.recv(ffd, true), r.recv(qfd, true)
	block := pattern(64<<10, 5)
	for round := range 50 {
		_, err := fast.Write(block)
		r.ok(err)
		r.write(quiet, []byte{byte(round)})
		turns := 0
		r.until("the quiet one is heard", func() bool {
			_, err := fast.Write(block)
			r.ok(err)
			if f.final {
				f = r.recv(ffd, true)
			}
			if q.final {
				data := q.data
				q = r.recv(qfd, true)
				q.data = data
			}
			turns++
			f.data = nil
			return len(q.data) == round+1
		})
		if turns > 50 {
			r.Fatalf("a quiet connection waited %d turns", turns)
		}
	}
}
