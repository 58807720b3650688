package coretls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"testing"
)

// Every record is fed in two pieces, cut at every byte.
func TestCodecSplitAtEveryByte(t *testing.T) {
	bothVersions(t, func(t *testing.T, v uint16) {
		p := mustHandshake(t, false, serverTLS(v), clientTLS())
		want := []byte("forty-two bytes of plaintext, more or less")
		for cut, size := 0, 1; cut <= size; cut++ {
			if _, err := p.peer.Write(want); err != nil {
				t.Fatal(err)
			}
			wire := p.wire()
			size = len(wire)
			a, err := p.feed(wire[:cut])
			if err != nil || (len(a) > 0 && cut < size) {
				t.Fatalf("cut at %d: %q, %v before the record was whole", cut, a, err)
			}
			b, err := p.feed(wire[cut:])
			if got := append(a, b...); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("cut at %d: got %q, %v", cut, got, err)
			}
			if p.mem.out != 0 {
				t.Fatalf("cut at %d: %d chunks held between records", cut, p.mem.out)
			}
		}
	})
}

// Sizes around the record limit, fed in pieces of many sizes, both ways.
func TestCodecSizes(t *testing.T) {
	sizes := []int{1, 1185, 4096, plaintextMax - 1, plaintextMax, plaintextMax + 1, 100_000}
	bothVersions(t, func(t *testing.T, v uint16) {
		p := mustHandshake(t, false, serverTLS(v), clientTLS())
		for _, size := range sizes {
			for _, piece := range []int{1, 7, 4096, 1 << 20} {
				if piece == 1 && size > 5000 {
					continue
				}
				want := bytes.Repeat([]byte{byte(size), byte(piece), 3}, size/3+1)[:size]
				p.peer.Write(want)
				var got []byte
				for wire := p.wire(); len(wire) > 0; {
					k := min(piece, len(wire))
					b, err := p.feed(wire[:k])
					if err != nil {
						t.Fatal(err)
					}
					got, wire = append(got, b...), wire[k:]
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("%d bytes in pieces of %d arrived changed", size, piece)
				}
				back, err := p.codec.seal(nil, want)
				if err != nil {
					t.Fatal(err)
				}
				p.out.Write(back)
				if _, err := io.ReadFull(p.peer, got); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d bytes sealed arrived changed: %v", size, err)
				}
			}
		}
	})
}

// A reader with a small buffer gets everything, record by record.
func TestCodecSmallReads(t *testing.T) {
	p := mustHandshake(t, false, serverTLS(tls.VersionTLS13), clientTLS())
	want := bytes.Repeat([]byte("0123456789"), 100)
	p.peer.Write(want)
	wire := p.wire()
	var got []byte
	var buf [10]byte
	for calls := 0; len(got) < len(want); calls++ {
		if calls > 300 {
			t.Fatal("no progress")
		}
		k, n, err := p.codec.next(wire, buf[:])
		if err != nil {
			t.Fatal(err)
		}
		wire, got = wire[k:], append(got, buf[:n]...)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("small reads changed the data")
	}
}

// A header that promises 16 KB does not get 16 KB of memory from us.
func TestCodecMemoryFollowsBytes(t *testing.T) {
	p := mustHandshake(t, false, serverTLS(tls.VersionTLS13), clientTLS())
	p.feed([]byte{typeData, 3, 3, 0x40, 0x10, 1})
	if c := cap(p.codec.part); c > chunkSmall {
		t.Fatalf("6 bytes hold a chunk of %d", c)
	}
}

// RFC 8446 section 5.2: a record over 2^14 + 256 bytes ends the connection with record_overflow.
func TestCodecRecordOverflow(t *testing.T) {
	bothVersions(t, func(t *testing.T, v uint16) {
		limit := plaintextMax + expansionMax12
		if v == tls.VersionTLS13 {
			limit = plaintextMax + expansionMax13
		}
		for cut := 1; cut <= headerLen; cut++ {
			p := mustHandshake(t, false, serverTLS(v), clientTLS())
			n := limit + 1
			h := []byte{typeData, 3, 3, byte(n >> 8), byte(n)}
			if _, err := p.feed(h[:cut]); cut < headerLen && err != nil {
				t.Fatal(err)
			}
			_, err := p.feed(append(h[cut:], 0))
			wantAlert(t, p, err, "record overflow")
		}
	})
}

// RFC 8446 section 5.2: what does not decrypt ends the connection with bad_record_mac; nothing after it counts.
func TestCodecCorruptRecord(t *testing.T) {
	bothVersions(t, func(t *testing.T, v uint16) {
		p := mustHandshake(t, false, serverTLS(v), clientTLS())
		p.peer.Write([]byte("first"))
		good := p.wire()
		p.peer.Write([]byte("second"))
		bad := p.wire()
		bad[len(bad)-1] ^= 1
		got, err := p.feed(append(good, bad...))
		if string(got) != "first" {
			t.Fatalf("before the corrupt record: %q", got)
		}
		wantAlert(t, p, err, "bad record MAC")
		if k, n, again := p.codec.next([]byte("ignored"), make([]byte, plaintextMax)); k != 7 || n != 0 || again != err {
			t.Fatalf("after the error: took %d, gave %d, %v", k, n, again)
		}
		if _, err := p.codec.seal(nil, []byte("x")); err == nil {
			t.Fatal("data was sealed after a fatal alert")
		}
	})
}

// wantAlert checks our error, and that the peer gets an alert of this name.
func wantAlert(t *testing.T, p *pair, err error, name string) {
	t.Helper()
	if err == nil || p.codec.err == nil {
		t.Fatalf("no error, want %s", name)
	}
	p.out.Write(p.codec.drain(nil))
	_, err = p.peer.Read(make([]byte, 1))
	var alert tls.AlertError
	if err == nil || !(errors.As(err, &alert) || bytes.Contains([]byte(err.Error()), []byte(name))) {
		t.Fatalf("the peer saw %v, want the alert %q", err, name)
	}
	if !bytes.Contains([]byte(err.Error()), []byte(name)) {
		t.Fatalf("the peer saw %v, want the alert %q", err, name)
	}
}

// A close_notify is io.EOF, cut anywhere; bytes after it are ignored (RFC 8446 section 6.1).
func TestCodecCloseNotify(t *testing.T) {
	bothVersions(t, func(t *testing.T, v uint16) {
		for cut, size := 0, 1; cut <= size; cut++ {
			p := mustHandshake(t, false, serverTLS(v), clientTLS())
			p.peer.CloseWrite()
			wire := p.wire()
			size = len(wire)
			if _, err := p.feed(wire[:cut]); cut < size && err != nil {
				t.Fatal(err)
			}
			if _, err := p.feed(append(wire[cut:], "junk"...)); err != io.EOF {
				t.Fatalf("cut at %d: %v, want io.EOF", cut, err)
			}
			if p.codec.cut() != io.EOF {
				t.Fatal("the end of the transport changed an orderly end")
			}
			// Our direction is still open.
			out, err := p.codec.seal(nil, []byte("still here"))
			if err != nil {
				t.Fatal(err)
			}
			p.out.Write(p.codec.sealClose(out))
			if got, err := io.ReadAll(p.peer); err != nil || string(got) != "still here" {
				t.Fatalf("the peer read %q, %v", got, err)
			}
		}
	})
}

// Without a close_notify the end is a truncation, also between two records.
func TestCodecTruncation(t *testing.T) {
	p := mustHandshake(t, false, serverTLS(tls.VersionTLS13), clientTLS())
	p.peer.Write([]byte("all of it?"))
	if got, _ := p.feed(p.wire()); string(got) != "all of it?" {
		t.Fatal(got)
	}
	if err := p.codec.cut(); err != io.ErrUnexpectedEOF {
		t.Fatalf("%v, want io.ErrUnexpectedEOF", err)
	}
}

// RFC 8446 section 4.6.3: a KeyUpdate with update_requested is answered in
// kind, before further data, whatever the cut.
func TestCodecKeyUpdate(t *testing.T) {
	var log bytes.Buffer
	cfg := clientTLS()
	cfg.KeyLogWriter = &log
	p := mustHandshake(t, false, serverTLS(tls.VersionTLS13), cfg)
	h := newHandmade(t, log.String(), p.peer.ConnectionState().CipherSuite)
	h.receive(t, p.out.take()) // session tickets
	for cut, size := 0, 1; cut <= size; cut++ {
		wire := append(h.update(t), h.data("after")...)
		size = len(wire)
		a, err := p.feed(wire[:cut])
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.feed(wire[cut:])
		if got := string(append(a, b...)); err != nil || got != "after" {
			t.Fatalf("cut at %d: %q, %v", cut, got, err)
		}
		if p.codec.pending() == 0 {
			t.Fatal("no answer to the KeyUpdate")
		}
		out, err := p.codec.seal(nil, []byte("answer"))
		if err != nil {
			t.Fatal(err)
		}
		types, data := h.receive(t, out)
		if !bytes.Equal(types, []byte{typeHandshake, typeData}) || data != "answer" {
			t.Fatalf("cut at %d: the peer got records %v, data %q", cut, types, data)
		}
	}
}

// Many KeyUpdates without data are refused by crypto/tls itself.
func TestCodecKeyUpdateFlood(t *testing.T) {
	var log bytes.Buffer
	cfg := clientTLS()
	cfg.KeyLogWriter = &log
	p := mustHandshake(t, false, serverTLS(tls.VersionTLS13), cfg)
	h := newHandmade(t, log.String(), p.peer.ConnectionState().CipherSuite)
	for n := 0; ; n++ {
		if _, err := p.feed(h.update(t)); err != nil {
			return
		}
		if n > 100 {
			t.Fatal("100 KeyUpdates in a row were taken")
		}
	}
}

// The handshake's last flight may come together with data, in any grouping:
// the intake keeps the two apart.
func TestCodecDataBehindFinished(t *testing.T) {
	bothVersions(t, func(t *testing.T, v uint16) {
		in, out := newTestPipe(), newTestPipe()
		client := tls.Client(testEnd{r: out, w: in}, clientTLS())
		done := make(chan error, 1)
		go func() {
			_, err := client.Write([]byte("early bird"))
			done <- err
		}()
		p := &pair{t: t, mem: &testMemory{}, in: in, out: out}
		p.codec = &codec{shim: shim{mem: p.mem, addrs: testAddr{}, src: p}}
		p.gate.mem = p.mem
		p.codec.startServer(serverTLS(v))
		if err := p.codec.tls.Handshake(); err != nil {
			t.Fatal(err)
		}
		out.Write(p.codec.drain(nil))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		p.codec.ready(v)
		if got, err := p.feed(p.wire()); err != nil || string(got) != "early bird" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

// At most one allocation a record when opening, the one of crypto/tls; none of ours.
func TestCodecAllocs(t *testing.T) {
	p := mustHandshake(t, false, serverTLS(tls.VersionTLS13), clientTLS())
	const rounds = 50
	var wires [][]byte
	for range rounds + 2 {
		p.peer.Write([]byte("a small request"))
		wires = append(wires, p.wire())
	}
	buf := make([]byte, plaintextMax)
	i := 0
	opened := testing.AllocsPerRun(rounds, func() {
		if _, n, err := p.codec.next(wires[i], buf); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		i++
	})
	if opened > 1 {
		t.Errorf("%v allocations to open a record, want at most 1", opened)
	}
	// The best of many: crypto/tls takes memory from a sync.Pool, which may be empty.
	dst, sealed := make([]byte, 0, 4096), 1e9
	for range rounds {
		sealed = min(sealed, testing.AllocsPerRun(1, func() { dst, _ = p.codec.seal(dst[:0], buf[:100]) }))
	}
	if sealed > 0 {
		t.Errorf("%v allocations to seal a record, want 0", sealed)
	}
}
