package coretls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// testMemory counts chunks and scribbles on freed ones.
type testMemory struct{ out int }

func (m *testMemory) Chunk(n int) []byte {
	size := 4 << 10
	for size < n {
		size *= 2
	}
	m.out++
	return make([]byte, n, size)
}

func (m *testMemory) FreeChunk(p []byte) {
	m.out--
	p = p[:cap(p)]
	for i := range p {
		p[i] = 0xdb
	}
}

// testPipe is one direction of a connection in memory, without a limit.
type testPipe struct {
	mu     sync.Mutex
	cond   sync.Cond
	buf    bytes.Buffer
	closed bool
}

func newTestPipe() *testPipe {
	p := &testPipe{}
	p.cond.L = &p.mu
	return p
}

func (p *testPipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cond.Broadcast()
	return p.buf.Write(b)
}

func (p *testPipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.buf.Len() == 0 {
		if p.closed {
			return 0, io.EOF
		}
		p.cond.Wait()
	}
	return p.buf.Read(b)
}

// take returns all that is in the pipe, without waiting.
func (p *testPipe) take() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := append([]byte(nil), p.buf.Bytes()...)
	p.buf.Reset()
	return b
}

func (p *testPipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.cond.Broadcast()
}

// testEnd is the net.Conn of the standard library's side.
type testEnd struct {
	r, w *testPipe
}

func (e testEnd) Read(p []byte) (int, error)       { return e.r.Read(p) }
func (e testEnd) Write(p []byte) (int, error)      { return e.w.Write(p) }
func (e testEnd) Close() error                     { e.w.close(); return nil }
func (e testEnd) LocalAddr() net.Addr              { return testAddr{} }
func (e testEnd) RemoteAddr() net.Addr             { return testAddr{} }
func (e testEnd) SetDeadline(time.Time) error      { return nil }
func (e testEnd) SetReadDeadline(time.Time) error  { return nil }
func (e testEnd) SetWriteDeadline(time.Time) error { return nil }

type testAddr struct{}

func (testAddr) Network() string      { return "test" }
func (testAddr) String() string       { return "test" }
func (testAddr) LocalAddr() net.Addr  { return testAddr{} }
func (testAddr) RemoteAddr() net.Addr { return testAddr{} }

// pair is a codec with a finished handshake and a standard tls.Conn as its peer.
type pair struct {
	t       *testing.T
	mem     *testMemory
	codec   *codec
	peer    *tls.Conn
	in, out *testPipe // to and from the codec
	gate    intake
}

// read implements source for the blocking handshake of a test.
func (p *pair) read(b []byte) (int, error) {
	p.out.Write(p.codec.drain(nil))
	for {
		if n := p.gate.get(b); n > 0 {
			return n, nil
		}
		var buf [512]byte
		n, err := p.in.Read(buf[:])
		if err != nil {
			return 0, err
		}
		p.gate.put(buf[:n])
	}
}

// shake runs both sides; client says which one the codec is.
func shake(t *testing.T, client bool, server, cfg *tls.Config) (*pair, error) {
	t.Helper()
	p := &pair{t: t, mem: &testMemory{}, in: newTestPipe(), out: newTestPipe()}
	p.codec = &codec{shim: shim{mem: p.mem, addrs: testAddr{}, src: p}}
	p.gate.mem = p.mem
	end := testEnd{r: p.out, w: p.in}
	if client {
		p.codec.startClient(cfg)
		p.peer = tls.Server(end, server)
	} else {
		p.codec.startServer(server)
		p.peer = tls.Client(end, cfg)
	}
	failed := make(chan error, 1)
	go func() {
		err := p.peer.Handshake()
		if err != nil {
			end.Close()
		}
		failed <- err
	}()
	err := p.codec.tls.Handshake()
	p.out.Write(p.codec.drain(nil))
	if err != nil {
		p.out.close()
	}
	if e := <-failed; err == nil {
		err = e
	}
	if err == nil {
		p.codec.ready(p.codec.tls.ConnectionState().Version)
	}
	return p, err
}

func mustHandshake(t *testing.T, client bool, server, cfg *tls.Config) *pair {
	t.Helper()
	p, err := shake(t, client, server, cfg)
	if err != nil {
		t.Fatalf("handshake: %v", err)
	}
	t.Cleanup(func() {
		p.codec.release()
		p.gate.release()
		if p.mem.out != 0 {
			t.Errorf("%d chunks leaked", p.mem.out)
		}
	})
	return p
}

// wire returns what the peer has sent and the codec has not seen.
func (p *pair) wire() []byte {
	b := append([]byte(nil), p.gate.rest()...)
	p.gate.skip(len(b))
	return append(b, p.in.take()...)
}

// feed gives the codec cipher bytes, all of which it must take, and returns the plaintext.
func (p *pair) feed(b []byte) (plain []byte, err error) {
	p.t.Helper()
	buf := make([]byte, plaintextMax)
	for len(b) > 0 && err == nil {
		k, n, e := p.codec.next(b, buf)
		if k == 0 && n == 0 && e == nil {
			p.t.Fatal("next neither took nor gave anything")
		}
		b = b[k:]
		plain = append(plain, buf[:n]...)
		err = e
	}
	for p.codec.more && err == nil {
		_, n, e := p.codec.next(nil, buf)
		plain = append(plain, buf[:n]...)
		err = e
	}
	return plain, err
}

var testCert = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "percore test"},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func testPool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(testCert().Leaf)
	return pool
}

func serverTLS(version uint16) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{testCert()}, MinVersion: version, MaxVersion: version,
		NextProtos: []string{ProtoH2}}
}

func clientTLS() *tls.Config {
	return &tls.Config{RootCAs: testPool(), ServerName: "localhost", NextProtos: []string{ProtoH2}}
}

// bothVersions runs fn for TLS 1.2 and 1.3.
func bothVersions(t *testing.T, fn func(t *testing.T, version uint16)) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(v), func(t *testing.T) { fn(t, v) })
	}
}
