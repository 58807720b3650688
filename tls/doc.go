// Package coretls is TLS driven by completions: the standard crypto/tls over
// bytes that are already here. It is the tls of percore; a bare "tls." in this
// module is always the standard library's.
//
// crypto/tls reads and writes through a net.Conn and blocks in it. Under ours
// nothing blocks: the engine looks at the 5-byte record headers itself, calls
// tls.Conn.Read only with a whole record at hand, and the shim under the
// tls.Conn answers a temporary error when that record is used up, which
// crypto/tls passes on and forgets.
//
//	corenet.Conn         engine                                  inner Protocol (h2)
//	                    +---------------------------------------+
//	lent buffer --Data->| codec.next: gather one whole record   |
//	                    |   shim.in -> tls.Conn.Read -> plain   |--Data--> lent plaintext
//	                    |                                       |
//	bytes to send <-----| codec.seal: shim.out <- tls.Conn.Write|<-Flush-- plaintext
//	           Flush    |   TLS's own output goes before it     |
//	                    +---------------------------------------+
//	                      ^ handshake task: the one task that may park in crypto/tls
//
// Who owns what: the lent buffer is the connection's; a record in pieces, the
// plaintext that inner left and TLS's own output are pooled chunks of the core,
// each given back as soon as it is empty. An idle connection holds none.
//
// The handshake runs as a task of the core, from the first bytes on, admitted by
// the core's governor (Limits). With callbacks in the tls.Config or private keys
// of foreign types it runs on a goroutine of its own, because these may block.
// A deadline covers all of it.
//
// NewEngine is the event-driven face, for corenet.Protocol. Conn is the face for
// tasks, a net.Conn that parks outside crypto/tls and never inside: two tasks of
// one core on a standard tls.Conn stop the core for ever as soon as one of them
// waits for the other's lock.
//
// Supported: TLS 1.2 and 1.3, session tickets shared by all cores, client
// certificates, ALPN. Renegotiation is refused.
package coretls
