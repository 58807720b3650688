package coretls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"testing"
)

// The canaries hold what we lean on in crypto/tls and what no document
// promises: a temporary net.Error from below is passed on, forgotten, and leaves
// the record layer as it was, at every byte.

// canaryRead feeds a bare tls.Conn byte after byte, without the codec.
func canaryRead(t *testing.T, p *pair, wire []byte) (plain []byte, err error) {
	t.Helper()
	buf := make([]byte, plaintextMax)
	for i := range wire {
		p.codec.shim.in = wire[i : i+1]
		n, err := p.codec.tls.Read(buf)
		plain = append(plain, buf[:n]...)
		if err == nil && i < len(wire)-1 && n == 0 {
			t.Fatalf("byte %d: Read returned nothing and no error", i)
		}
		if err != nil && err != errWouldBlock {
			return plain, err
		}
	}
	return plain, nil
}

func TestCanaryWouldBlockAtEveryByte(t *testing.T) {
	bothVersions(t, func(t *testing.T, v uint16) {
		p := mustHandshake(t, false, serverTLS(v), clientTLS())
		for _, size := range []int{1, 100, plaintextMax} {
			want := bytes.Repeat([]byte{'x'}, size)
			p.peer.Write(want)
			if got, err := canaryRead(t, p, p.wire()); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
			}
		}
		p.peer.CloseWrite()
		if _, err := canaryRead(t, p, p.wire()); err != io.EOF {
			t.Fatalf("close_notify byte by byte: %v, want io.EOF", err)
		}
	})
}

// Session tickets come to a client as records without data (RFC 8446 section 4.6.1).
func TestCanaryTickets(t *testing.T) {
	cfg := clientTLS()
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	p := mustHandshake(t, true, serverTLS(tls.VersionTLS13), cfg)
	p.peer.Write([]byte("data"))
	if got, err := canaryRead(t, p, p.wire()); err != nil || string(got) != "data" {
		t.Fatalf("%q, %v", got, err)
	}
	if _, ok := cfg.ClientSessionCache.Get("localhost"); !ok {
		t.Fatal("the ticket was lost")
	}
}

func TestCanaryKeyUpdate(t *testing.T) {
	var log bytes.Buffer
	cfg := clientTLS()
	cfg.KeyLogWriter = &log
	p := mustHandshake(t, false, serverTLS(tls.VersionTLS13), cfg)
	h := newHandmade(t, log.String(), p.peer.ConnectionState().CipherSuite)
	for range 3 {
		wire := append(h.update(t), h.data("after")...)
		if got, err := canaryRead(t, p, wire); err != nil || string(got) != "after" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func TestCanaryCorrupt(t *testing.T) {
	bothVersions(t, func(t *testing.T, v uint16) {
		p := mustHandshake(t, false, serverTLS(v), clientTLS())
		p.peer.Write([]byte("data"))
		wire := p.wire()
		wire[len(wire)-1] ^= 1
		if _, err := canaryRead(t, p, wire); err == nil {
			t.Fatal("a corrupt record was taken")
		}
		if p.codec.pending() == 0 {
			t.Fatal("no alert")
		}
	})
}

// fixedError is a source that fails in one way.
type fixedError struct{ err error }

func (f fixedError) read([]byte) (int, error) { return 0, f.err }

// A temporary error is forgotten, any other stays for ever: this is why the
// shim's error must say Temporary.
func TestCanaryTemporary(t *testing.T) {
	for _, tc := range []struct {
		err    error
		sticky bool
	}{{errWouldBlock, false}, {errors.New("permanent"), true}} {
		p := mustHandshake(t, false, serverTLS(tls.VersionTLS13), clientTLS())
		buf := make([]byte, 16)
		p.codec.shim.src = fixedError{tc.err}
		if _, err := p.codec.tls.Read(buf); err == nil {
			t.Fatal("no error")
		}
		p.codec.shim.src = nil
		p.peer.Write([]byte("data"))
		p.codec.shim.in = p.wire()
		_, err := p.codec.tls.Read(buf)
		if sticky := err != nil; sticky != tc.sticky {
			t.Fatalf("after %v: %v; sticky is %v, want %v", tc.err, err, sticky, tc.sticky)
		}
	}
}

// crypto/tls must not read past the record it is asked for by what it was given.
func TestCanaryTakesWholeRecord(t *testing.T) {
	p := mustHandshake(t, false, serverTLS(tls.VersionTLS13), clientTLS())
	for _, size := range []int{1, 600, plaintextMax} {
		p.peer.Write(make([]byte, size))
		wire := p.wire()
		for len(wire) > 0 {
			n := headerLen + int(wire[3])<<8 + int(wire[4])
			p.codec.shim.in = wire[:n]
			if _, err := p.codec.tls.Read(make([]byte, plaintextMax)); err != nil {
				t.Fatal(err)
			}
			if len(p.codec.shim.in) != 0 {
				t.Fatalf("%d bytes of a record were left", len(p.codec.shim.in))
			}
			wire = wire[n:]
		}
	}
}
