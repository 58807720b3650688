package coretls

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"reflect"
)

// serverMayBlock says whether a server handshake under std can run code that is
// not crypto/tls's own. Such code may wait on anything: it must not run on a core.
func serverMayBlock(std *tls.Config) bool {
	return hasForeignKey(std) || hasSharedCallback(std) ||
		std.GetCertificate != nil || std.GetConfigForClient != nil ||
		std.GetEncryptedClientHelloKeys != nil ||
		std.WrapSession != nil || std.UnwrapSession != nil ||
		std.ClientAuth >= tls.VerifyClientCertIfGiven && std.ClientCAs == nil
}

// clientMayBlock is serverMayBlock for a client. Without RootCAs the first
// verification reads the system's root certificates from disk.
func clientMayBlock(std *tls.Config) bool {
	return hasForeignKey(std) || hasSharedCallback(std) ||
		std.GetClientCertificate != nil || std.EncryptedClientHelloRejectionVerify != nil ||
		std.ClientSessionCache != nil && !isStandardCache(std.ClientSessionCache) ||
		std.RootCAs == nil && !std.InsecureSkipVerify
}

func hasSharedCallback(std *tls.Config) bool {
	return std.VerifyPeerCertificate != nil || std.VerifyConnection != nil ||
		std.KeyLogWriter != nil || std.Rand != nil || std.Time != nil
}

// hasForeignKey finds keys that are not the standard library's: they may sign on
// a card, in a key service, over the network.
func hasForeignKey(std *tls.Config) bool {
	for i := range std.Certificates {
		switch std.Certificates[i].PrivateKey.(type) {
		case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
		default:
			return true
		}
	}
	return false
}

func isStandardCache(c tls.ClientSessionCache) bool {
	return reflect.TypeOf(c) == reflect.TypeOf(tls.NewLRUClientSessionCache(1))
}
