package coretls

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
)

// halfKey is one direction of a TLS 1.3 connection made by hand (RFC 8446
// sections 5.2, 5.3 and 7.3), for what crypto/tls cannot be made to send.
type halfKey struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

const (
	typeAlert     = 21
	typeHandshake = 22
	typeData      = 23
)

func newHalfKey(t *testing.T, secret []byte) *halfKey {
	k := &halfKey{secret: secret}
	block, err := aes.NewCipher(expandLabel(t, secret, "key", 16))
	if err != nil {
		t.Fatal(err)
	}
	k.aead, _ = cipher.NewGCM(block)
	k.iv = expandLabel(t, secret, "iv", 12)
	return k
}

// next is the key after a KeyUpdate (RFC 8446 section 7.2).
func (k *halfKey) next(t *testing.T) *halfKey {
	return newHalfKey(t, expandLabel(t, k.secret, "traffic upd", 32))
}

func expandLabel(t *testing.T, secret []byte, label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(info, "tls13 "+label...)
	info = append(info, 0)
	out, err := hkdf.Expand(sha256.New, secret, string(info), n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (k *halfKey) nonce() []byte {
	n := bytes.Clone(k.iv)
	var seq [8]byte
	binary.BigEndian.PutUint64(seq[:], k.seq)
	for i := range seq {
		n[4+i] ^= seq[i]
	}
	k.seq++
	return n
}

// seal makes one record.
func (k *halfKey) seal(typ byte, p []byte) []byte {
	inner := append(bytes.Clone(p), typ)
	h := []byte{typeData, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(h[3:], uint16(len(inner)+k.aead.Overhead()))
	return k.aead.Seal(h, k.nonce(), inner, bytes.Clone(h))
}

// open opens the first record of b and returns what follows it.
func (k *halfKey) open(t *testing.T, b []byte) (typ byte, p, rest []byte) {
	t.Helper()
	n := headerLen + int(binary.BigEndian.Uint16(b[3:]))
	p, err := k.aead.Open(nil, k.nonce(), b[headerLen:n], b[:headerLen])
	if err != nil {
		t.Fatalf("record of the server does not open: %v", err)
	}
	return p[len(p)-1], p[:len(p)-1], b[n:]
}

// handmade is a TLS 1.3 client whose handshake crypto/tls made.
type handmade struct {
	send, recv *halfKey
}

// keyUpdate is the message, with update_requested (RFC 8446 section 4.6.3).
var keyUpdate = []byte{24, 0, 0, 1, 1}

// newHandmade reads the keys from the log a tls.Config wrote. It skips the test
// where TLS prefers another cipher (no AES instructions).
func newHandmade(t *testing.T, keyLog string, suite uint16) *handmade {
	t.Helper()
	if suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("needs a CPU with AES instructions: TLS prefers %s here", tls.CipherSuiteName(suite))
	}
	h := &handmade{}
	for line := range strings.Lines(keyLog) {
		f := strings.Fields(line)
		secret, err := hex.DecodeString(f[2])
		if err != nil {
			t.Fatal(err)
		}
		switch f[0] {
		case "CLIENT_TRAFFIC_SECRET_0":
			h.send = newHalfKey(t, secret)
		case "SERVER_TRAFFIC_SECRET_0":
			h.recv = newHalfKey(t, secret)
		}
	}
	if h.send == nil || h.recv == nil {
		t.Fatalf("no traffic secrets in the key log:\n%s", keyLog)
	}
	return h
}

// update returns a KeyUpdate record and moves to the next sending key.
func (h *handmade) update(t *testing.T) []byte {
	rec := h.send.seal(typeHandshake, keyUpdate)
	h.send = h.send.next(t)
	return rec
}

func (h *handmade) data(p string) []byte { return h.send.seal(typeData, []byte(p)) }

// receive opens all of b: the types and the data, following KeyUpdates.
func (h *handmade) receive(t *testing.T, b []byte) (types []byte, data string) {
	t.Helper()
	for len(b) > 0 {
		var typ byte
		var p []byte
		typ, p, b = h.recv.open(t, b)
		types = append(types, typ)
		if typ == typeHandshake && p[0] == 24 {
			h.recv = h.recv.next(t)
		}
		if typ == typeData {
			data += string(p)
		}
	}
	return types, data
}
