package coretls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// ErrHandshakeTimeout is the cause inside a HandshakeError when the peer did
// not finish the handshake within Limits.HandshakeTimeout.
var ErrHandshakeTimeout = errors.New("handshake not finished in time")

// ErrTooMuchOutput is the cause inside a RecordError when a peer makes TLS
// itself answer (KeyUpdate replies, RFC 8446 section 4.6.3) and does not read
// the answers.
var ErrTooMuchOutput = errors.New("peer asks for TLS replies and does not read them")

// errHandshakeBytes bounds what one handshake may send us, over all messages.
var errHandshakeBytes = fmt.Errorf("handshake larger than %d bytes", handshakeBytesMax)

// HandshakeError tells that a TLS handshake failed. Find the reason with
// errors.Is and errors.As: ErrHandshakeTimeout, io.ErrUnexpectedEOF,
// tls.RecordHeaderError (the peer does not speak TLS), tls.AlertError,
// *tls.CertificateVerificationError, *ALPNError.
type HandshakeError struct {
	Remote net.Addr // the peer; nil when the connection was already gone
	Cause  error
	Remedy string // what to do about it, one clause; may be empty
}

func (e *HandshakeError) Error() string {
	return describe("tls: handshake", e.Remote, e.Cause, e.Remedy)
}

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Cause }

// RecordError tells that an established TLS connection broke. ByPeer says who
// began: true when the peer sent an alert or cut the connection, false when we
// refused what it sent.
type RecordError struct {
	Remote net.Addr
	ByPeer bool
	Cause  error
}

func (e *RecordError) Error() string {
	return describe("tls: connection", e.Remote, e.Cause, "")
}

// Unwrap returns the cause.
func (e *RecordError) Unwrap() error { return e.Cause }

// noAddr is what corenet answers when the connection was gone before anybody asked.
const noAddr = ":0"

func describe(what string, remote net.Addr, cause error, remedy string) string {
	s := what
	if remote != nil && remote.String() != noAddr {
		s += " with " + remote.String()
	}
	s += ": " + strings.TrimPrefix(cause.Error(), "tls: ")
	if remedy != "" {
		s += " (" + remedy + ")"
	}
	return s
}

func newHandshakeError(remote net.Addr, cause error) *HandshakeError {
	if he, ok := errors.AsType[*HandshakeError](cause); ok {
		return he
	}
	return &HandshakeError{Remote: remote, Cause: cause, Remedy: remedyFor(cause)}
}

func newRecordError(remote net.Addr, cause error) error {
	if re, ok := errors.AsType[*RecordError](cause); ok {
		return re
	}
	return &RecordError{Remote: remote, ByPeer: byPeer(cause), Cause: cause}
}

func byPeer(err error) bool {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

func remedyFor(cause error) string {
	if errors.Is(cause, ErrHandshakeTimeout) {
		return "raise Limits.HandshakeTimeout if honest peers are this slow"
	}
	if h, ok := errors.AsType[tls.RecordHeaderError](cause); ok {
		return remedyForHeader(h.RecordHeader)
	}
	if errors.Is(cause, io.ErrUnexpectedEOF) || errors.Is(cause, io.EOF) {
		return "the peer left before it was done"
	}
	return ""
}

// remedyForHeader names what a peer that does not speak TLS seems to speak.
func remedyForHeader(h [5]byte) string {
	switch s := string(h[:]); {
	case s == "PRI *":
		return "the peer speaks cleartext HTTP/2: use https, or the cleartext port"
	case strings.HasPrefix(s, "GET ") || strings.HasPrefix(s, "POST ") ||
		strings.HasPrefix(s, "HEAD ") || strings.HasPrefix(s, "PUT "):
		return "the peer speaks cleartext HTTP/1.1: use https, or the cleartext port"
	}
	return "the peer does not speak TLS"
}
