package coretls

import (
	"bytes"
	"crypto/tls"
	"testing"
	"time"
)

// FuzzRecords damages what a peer has sealed: bytes changed, dropped or inserted, cut anywhere. Whatever arrives is a
// prefix of what was sent (RFC 8446 section 5.2), what was not damaged arrives whole, and damage is an error.
//
// edits are triples: distance from the edit before, kind, value.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("some plaintext"), []byte{}, uint8(0), false)
	f.Add([]byte("some plaintext"), []byte{3, 0, 1}, uint8(3), false)
	f.Add(bytes.Repeat([]byte("x"), 40_000), []byte{200, 1, 0, 255, 2, 7}, uint8(100), true)
	f.Add([]byte("some plaintext"), []byte{1, 0, 0xff, 0, 1, 0, 0, 2, 23}, uint8(1), true)
	f.Fuzz(func(t *testing.T, message, edits []byte, piece uint8, old bool) {
		version := uint16(tls.VersionTLS13)
		if old {
			version = tls.VersionTLS12
		}
		p := mustHandshake(t, false, serverTLS(version), clientTLS())
		for part := range bytes.SplitSeq(message, []byte{0}) {
			p.peer.Write(part)
		}
		want := bytes.ReplaceAll(message, []byte{0}, nil)
		sealed := p.wire()
		wire := damage(sealed, edits)
		got, err := p.feedPieces(wire, int(piece)+1)
		if !bytes.HasPrefix(want, got) {
			t.Fatalf("%d bytes that nobody sent", len(got))
		}
		switch whole := bytes.Equal(wire, sealed); {
		case whole && (err != nil || len(got) != len(want)):
			t.Fatalf("undamaged: %d of %d bytes, %v", len(got), len(want), err)
		case !whole && len(got) == len(want) && len(wire) <= len(sealed) && len(want) > 0 && !bytes.HasPrefix(sealed, wire):
			t.Fatal("the damage went unnoticed")
		}
	})
}

func damage(sealed, edits []byte) []byte {
	wire := bytes.Clone(sealed)
	for at := 0; len(edits) >= 3 && len(wire) > 0; edits = edits[3:] {
		at = (at + int(edits[0])) % len(wire)
		switch edits[1] % 3 {
		case 0:
			wire[at] ^= edits[2]
		case 1:
			wire = append(wire[:at], wire[at+1:]...)
		case 2:
			wire = append(wire[:at], append([]byte{edits[2]}, wire[at:]...)...)
		}
	}
	return wire
}

func (p *pair) feedPieces(wire []byte, piece int) (got []byte, err error) {
	for len(wire) > 0 && err == nil {
		k := min(piece, len(wire))
		var plain []byte
		plain, err = p.feed(wire[:k])
		got, wire = append(got, plain...), wire[k:]
		if p.mem.out > 2 {
			p.t.Fatalf("%d chunks held", p.mem.out)
		}
	}
	return got, err
}

// clientHello is what a client of the standard library says first.
func clientHello(f *testing.F) []byte {
	in, out := newTestPipe(), newTestPipe()
	c := tls.Client(testEnd{r: in, w: out}, clientTLS())
	done := make(chan error)
	go func() { done <- c.Handshake() }()
	first := make([]byte, 1)
	if _, err := out.Read(first); err != nil {
		f.Fatal(err)
	}
	rest := out.take()
	in.close()
	<-done
	return append(first, rest...)
}

// FuzzEngine lets a stranger talk to a whole server before its handshake is done: no panic, no plaintext for the
// protocol above, bounded memory, and nothing left when both have gone.
func FuzzEngine(f *testing.F) {
	hello := clientHello(f)
	f.Add(hello, uint8(7))
	f.Add(append(bytes.Clone(hello), 20, 3, 3, 0, 1, 1), uint8(200))
	f.Add(append(bytes.Clone(hello), hello...), uint8(50))
	f.Add(hello[:len(hello)/2], uint8(3))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), uint8(1))
	f.Add([]byte{22, 3, 1, 0xff, 0xff, 1, 0, 0xff, 0xfc, 3, 3}, uint8(9))
	f.Add([]byte{21, 3, 1, 0, 2, 2, 40}, uint8(9))
	f.Fuzz(func(t *testing.T, wire []byte, step uint8) {
		s := newSimServer(t, uint64(step)+1, nil)
		peer, err := s.world.Dial(s.at)
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		for turns := 0; len(wire) > 0; turns++ {
			n, err := peer.Write(wire[:min(len(wire), 1+int(step)*(turns%3))])
			if wire = wire[n:]; err != nil || turns > 100_000 {
				break
			}
			s.turn()
			s.read(peer)
			if m := s.core.Snapshot(); m.ChunkBytes > intakeMax+4*plaintextMax {
				t.Fatalf("a stranger holds %d bytes", m.ChunkBytes)
			}
		}
		for range 20 { // past every limit of time
			s.turnAfter(10 * time.Second)
			s.read(peer)
		}
		if len(s.opened) > 0 {
			t.Fatal("a protocol was opened without a handshake")
		}
		if n := s.core.Snapshot().Residents; n > 1 { // the listener
			t.Fatalf("%d residents long after", n)
		}
	})
}
