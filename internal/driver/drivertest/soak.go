package drivertest

import (
	"fmt"
	"math/rand/v2"

	"golang.org/x/sys/unix"
)

func soakTests() []test {
	var tests []test
	for seed := range uint64(6) {
		tests = append(tests, test{
			name: fmt.Sprintf("Soak/seed=%d", seed),
			cfg:  Config{BufferSize: 512, Buffers: 8, BuffersMax: 8},
			run:  func(r *rig) { soak(r, rand.New(rand.NewPCG(seed, 1))) },
		})
	}
	return tests
}

// stream is one connection of a soak: what has gone in and come out of both directions.
type stream struct {
	p             Peer
	fd            int
	in, out       *flight // armed ops, nil or ended: none
	toUs, toPeer  []byte  // everything ever sent
	atUs, atPeer  int     // how much has arrived
	wrote, queued int     // how much of toPeer is acknowledged, and of toUs written
}

// soak moves bytes over a few connections by random legal steps: single and armed receives, cancels,
// sends, short room, held buffers, closes and new connections. Every byte must come once and in order.
func soak(r *rig, rng *rand.Rand) {
	var conns []*stream
	steps := 1500
	if raceEnabled {
		steps = 400
	}
	for range steps {
		switch n := rng.IntN(40); {
		case n == 0 && len(conns) < 6:
			p, fd := r.pair()
			conns = append(conns, &stream{p: p, fd: fd})
		case n == 1 && len(conns) > 3:
			i := rng.IntN(len(conns))
			r.finishStream(conns[i])
			conns = append(conns[:i], conns[i+1:]...)
		case n < 8:
			r.wait(0, 0)
		case len(conns) > 0:
			r.soakStep(rng, conns[rng.IntN(len(conns))])
		}
		for _, s := range conns {
			r.collect(s)
		}
	}
	for _, s := range conns {
		r.finishStream(s)
	}
}

func busy(f *flight) bool { return f != nil && !f.final }

// soakStep does one random thing with s.
func (r *rig) soakStep(rng *rand.Rand, s *stream) {
	r.Helper()
	switch rng.IntN(7) {
	case 0, 1:
		s.toUs = append(s.toUs, pattern(rng.IntN(3000), byte(rng.Uint32()))...)
		r.push(s)
	case 2, 3:
		if !busy(s.in) {
			s.in = r.recv(s.fd, rng.IntN(2) == 0)
		}
	case 4:
		if busy(s.in) && rng.IntN(3) == 0 {
			r.cancel(s.in)
		}
	case 5:
		if !busy(s.out) && s.wrote == len(s.toPeer) {
			s.toPeer = append(s.toPeer, pattern(1+rng.IntN(200000), byte(rng.Uint32()))...)
			s.out = r.send(s.fd, s.toPeer[s.wrote:])
		}
	case 6:
		r.pull(s, rng.IntN(50000))
	}
}

// push lets the peer write what it can.
func (r *rig) push(s *stream) {
	r.Helper()
	n, err := s.p.Write(s.toUs[s.queued:])
	r.ok(err)
	s.queued += n
}

// pull lets the peer read at most n bytes.
func (r *rig) pull(s *stream, n int) {
	r.Helper()
	buf := make([]byte, n+1)
	n, err := s.p.Read(buf)
	r.ok(err)
	r.equalData("peer's stream", buf[:n], s.toPeer[s.atPeer:s.atPeer+n])
	s.atPeer += n
}

// collect books what s's ops have brought.
func (r *rig) collect(s *stream) {
	r.Helper()
	if f := s.in; f != nil && len(f.data) > 0 {
		end := min(s.atUs+len(f.data), len(s.toUs))
		r.equalData("our stream", f.data, s.toUs[s.atUs:end])
		s.atUs += len(f.data)
		f.data, f.starts = nil, nil
	}
	if f := s.in; f != nil && f.final {
		switch f.errno() {
		case 0, unix.ENOBUFS, unix.ECANCELED:
		default:
			r.Fatalf("receive: %v", f.errno())
		}
	}
	if f := s.out; f != nil && f.final && s.wrote < len(s.toPeer) {
		if f.res <= 0 {
			r.Fatalf("send: %v", f.errno())
		}
		s.wrote += int(f.res)
		if s.out = nil; s.wrote < len(s.toPeer) {
			s.out = r.send(s.fd, s.toPeer[s.wrote:])
		}
	}
}

// finishStream lets both directions run empty, then ends the connection in good order.
func (r *rig) finishStream(s *stream) {
	r.Helper()
	r.until("both directions are empty", func() bool {
		r.push(s)
		r.pull(s, 100000)
		r.collect(s)
		if !busy(s.in) {
			s.in = r.recv(s.fd, true)
		}
		return s.atUs == len(s.toUs) && s.atPeer == len(s.toPeer) && s.wrote == len(s.toPeer)
	})
	r.ok(s.p.CloseWrite())
	r.until("end of file", func() bool {
		if s.in.final && s.in.res == 0 {
			return true
		}
		if !busy(s.in) {
			s.in = r.recv(s.fd, true)
		}
		return false
	})
	r.closeFD(s.fd)
}
