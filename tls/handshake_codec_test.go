package coretls

import (
	"bytes"
	"crypto/tls"
	"io"
	"strings"
	"testing"
)

// Client certificates: asked for, verified, visible; a client without one is refused with an alert.
func TestCodecClientCertificates(t *testing.T) {
	bothVersions(t, func(t *testing.T, v uint16) {
		server := serverTLS(v)
		server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, testPool()
		cfg := clientTLS()
		cfg.Certificates = []tls.Certificate{testCert()}
		p := mustHandshake(t, false, server, cfg)
		if n := len(p.codec.tls.ConnectionState().PeerCertificates); n != 1 {
			t.Fatalf("%d client certificates", n)
		}
		p.peer.Write([]byte("hello"))
		if got, err := p.feed(p.wire()); err != nil || string(got) != "hello" {
			t.Fatalf("%q, %v", got, err)
		}

		bare, err := shake(t, false, server, clientTLS())
		if err == nil {
			t.Fatal("a client without a certificate was let in")
		}
		// In TLS 1.3 the client is done before it learns of it: from the alert.
		if _, err = bare.peer.Read(make([]byte, 1)); err == nil ||
			!strings.Contains(err.Error(), map[uint16]string{tls.VersionTLS12: "handshake failure", tls.VersionTLS13: "certificate required"}[v]) {
			t.Fatalf("the client saw %v, want an alert about its certificate", err)
		}
	})
}

// A ticket made through one tls.Config is opened by every core that shares it,
// and the handshake that resumes goes through the same path.
func TestCodecResumption(t *testing.T) {
	bothVersions(t, func(t *testing.T, v uint16) {
		cfg, err := NewConfig(serverTLS(v), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		client := clientTLS()
		client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		for round := range 3 {
			p := mustHandshake(t, false, cfg.std, client)
			if resumed := p.codec.tls.ConnectionState().DidResume; resumed != (round > 0) {
				t.Fatalf("round %d: resumed is %v", round, resumed)
			}
			out, err := p.codec.seal(nil, []byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			p.out.Write(out)
			if _, err := io.ReadFull(p.peer, make([]byte, 1)); err != nil { // takes the tickets too
				t.Fatal(err)
			}
			p.peer.Write([]byte("y"))
			if got, err := p.feed(p.wire()); err != nil || string(got) != "y" {
				t.Fatalf("round %d: %q, %v", round, got, err)
			}
		}
	})
}

// RFC 7301 section 3.2: no common protocol is a no_application_protocol alert.
func TestCodecALPNMismatch(t *testing.T) {
	bothVersions(t, func(t *testing.T, v uint16) {
		cfg := clientTLS()
		cfg.NextProtos = []string{"gopher/9"}
		p, err := shake(t, false, serverTLS(v), cfg)
		if err == nil {
			t.Fatal("a client without h2 was let in")
		}
		if err := p.peer.Handshake(); err == nil || !strings.Contains(err.Error(), "no application protocol") {
			t.Fatalf("the client saw %v", err)
		}
	})
}

// crypto/tls lets a client in that offers http/1.1 to a server of h2 alone, with
// nothing negotiated: RequireALPN must close it.
func TestCodecALPNFallback(t *testing.T) {
	cfg := clientTLS()
	cfg.NextProtos = []string{"http/1.1"}
	p := mustHandshake(t, false, serverTLS(tls.VersionTLS13), cfg)
	if got := p.codec.tls.ConnectionState().NegotiatedProtocol; got != "" {
		t.Fatalf("negotiated %q", got)
	}
}

// A client handshake over the codec, with a ticket taken on the way.
func TestCodecClient(t *testing.T) {
	bothVersions(t, func(t *testing.T, v uint16) {
		p := mustHandshake(t, true, serverTLS(v), clientTLS())
		p.peer.Write([]byte("from the server"))
		if got, err := p.feed(p.wire()); err != nil || string(got) != "from the server" {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

func TestIntakeKeepsRecordsApart(t *testing.T) {
	var stream []byte
	var ends []int
	for _, n := range []int{0, 1, 5, 700, 5000} {
		stream = append(stream, 22, 3, 1, byte(n>>8), byte(n))
		stream = append(stream, bytes.Repeat([]byte{byte(n)}, n)...)
		ends = append(ends, len(stream))
	}
	for _, piece := range []int{1, 2, 3, 4, 5, 6, 4096, len(stream)} {
		mem := &testMemory{}
		in := intake{mem: mem}
		var got []byte
		fed := 0
		for len(got) < len(stream) {
			if in.allowed() == 0 {
				k := min(piece, len(stream)-fed)
				if k == 0 {
					t.Fatalf("pieces of %d: stuck after %d bytes", piece, len(got))
				}
				if n := in.put(stream[fed : fed+k]); n != k {
					t.Fatalf("put took %d of %d", n, k)
				}
				fed += k
				continue
			}
			buf := make([]byte, 9000)
			n := in.get(buf)
			for _, e := range ends {
				if len(got) < e && e < len(got)+n {
					t.Fatalf("pieces of %d: one read crossed the end of a record at %d", piece, e)
				}
			}
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, stream) || mem.out != 0 || in.total != len(stream) {
			t.Fatalf("pieces of %d: equal %v, chunks %d, total %d", piece, bytes.Equal(got, stream), mem.out, in.total)
		}
	}
}

func TestIntakeIsBounded(t *testing.T) {
	in := intake{mem: &testMemory{}}
	big := make([]byte, intakeMax+1000)
	if n := in.put(big); n != intakeMax {
		t.Fatalf("took %d, want %d", n, intakeMax)
	}
	if n := in.put(big); n != 0 {
		t.Fatalf("took %d when full", n)
	}
}

// FuzzCodec feeds a server's record layer anything, in any pieces: it must take
// all bytes, hold bounded memory and never give plaintext that nobody sealed.
func FuzzCodec(f *testing.F) {
	f.Add([]byte{typeData, 3, 3, 0, 1, 0}, uint8(1))
	f.Add([]byte{typeData, 3, 3, 0xff, 0xff}, uint8(3))
	f.Add([]byte{typeAlert, 3, 3, 0, 2, 1, 0}, uint8(5))
	f.Add([]byte{20, 3, 3, 0, 1, 1, 20, 3, 3, 0, 1, 1}, uint8(2))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(200))
	f.Fuzz(func(t *testing.T, b []byte, piece uint8) {
		p := mustHandshake(t, false, serverTLS(tls.VersionTLS13), clientTLS())
		for len(b) > 0 {
			k := min(int(piece)+1, len(b))
			if got, _ := p.feed(b[:k]); len(got) > 0 {
				t.Fatalf("plaintext out of nowhere: %q", got)
			}
			b = b[k:]
			if p.mem.out > 2 {
				t.Fatalf("%d chunks held", p.mem.out)
			}
		}
	})
}
