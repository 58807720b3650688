package coretls

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"

	"github.com/percore/percore/net"
)

// ProtoH2 is the ALPN name of HTTP/2 over TLS (RFC 9113 section 3.2).
const ProtoH2 = "h2"

// Open chooses the protocol of a connection whose handshake is done. It runs on
// the connection's core and must not block. An error closes the connection.
type Open func(state *tls.ConnectionState) (corenet.Protocol, error)

// ALPNError tells that the peer did not negotiate a protocol we speak. A client
// that offers ALPN without any of ours never gets here: crypto/tls answers it
// with the no_application_protocol alert (RFC 7301 section 3.2), except one that
// offers http/1.1 to a server of h2 alone, which it lets in with no protocol.
type ALPNError struct {
	Got  string   // empty: the client offered no ALPN, or http/1.1 alone
	Want []string // what RequireALPN was given
}

func (e *ALPNError) Error() string {
	if e.Got == "" {
		return "tls: the client negotiated no protocol, want " + strings.Join(e.Want, ", ")
	}
	return fmt.Sprintf("tls: negotiated protocol %q, want %s", e.Got, strings.Join(e.Want, ", "))
}

// RequireALPN wraps open so that connections which did not negotiate one of
// protos are closed with an *ALPNError.
func RequireALPN(open Open, protos ...string) Open {
	return func(state *tls.ConnectionState) (corenet.Protocol, error) {
		if !slices.Contains(protos, state.NegotiatedProtocol) {
			return nil, &ALPNError{Got: state.NegotiatedProtocol, Want: protos}
		}
		return open(state)
	}
}

// H2Permits says whether HTTP/2 may be spoken on this connection: TLS 1.3, or
// TLS 1.2 with an ephemeral key exchange and an AEAD (RFC 9113 section 9.2 and
// its list of prohibited suites). A server refuses the connection otherwise.
func H2Permits(state *tls.ConnectionState) bool {
	if state.Version >= tls.VersionTLS13 {
		return true
	}
	switch state.CipherSuite {
	case tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:
		return state.Version == tls.VersionTLS12
	}
	return false
}
