package h2

import (
	"crypto/tls"
	"net"

	"github.com/percore/percore/runtime"
)

// RemoteAddr returns the client's address. Core.
func (r *Request) RemoteAddr() net.Addr { return r.server().net.RemoteAddr() }

// LocalAddr returns the server's address of the request's connection. Core.
func (r *Request) LocalAddr() net.Addr { return r.server().net.LocalAddr() }

// TLS returns the state of the request's connection, nil for cleartext. It is shared: do not change it. Core.
func (r *Request) TLS() *tls.ConnectionState { return r.server().tls }

// Core returns the core that serves the request, for Sleep, Offload and the like. Core.
func (r *Request) Core() *coreruntime.Core { return r.server().core.core }

func (r *Request) server() *serverConn {
	if r.s.c == nil {
		panic("h2: a Request was used after its handler returned")
	}
	return r.s.c.host.(*serverConn)
}
