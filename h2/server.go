package h2

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
	"github.com/percore/percore/tls"
)

// ErrServerClosed is what Serve and its kin return after Shutdown or Close.
var ErrServerClosed = errors.New("h2: the server was closed")

// Server serves HTTP/2 on every core of a Runtime. Field names and meaning follow net/http.Server where it has them.
// Set the fields before the first Serve; a zero Server with a Handler is ready. All methods: any goroutine, but
// no task, which they would block.
type Server struct {
	// Addr is where ListenAndServe and ListenAndServeTLS listen, "host:port"; default ":http" or ":https".
	Addr string
	// Handler answers requests.
	Handler Handler
	// TLSConfig is used by ListenAndServeTLS and ServeTLS. It is cloned. NextProtos defaults to h2; certificate files
	// given to ListenAndServeTLS take the place of its Certificates.
	TLSConfig *tls.Config
	// TLSLimits bounds handshakes.
	TLSLimits coretls.Limits
	// Runtime runs the server; several servers may share one. nil: ListenAndServe starts one and stops it.
	Runtime *coreruntime.Runtime
	// Listen is how listening sockets are made. Its Conn.WriteStallMax and Conn.OutBufferMax default to those
	// of Limits.
	Listen corenet.ListenConfig
	// Limits bounds what one connection may cost.
	Limits Limits
	// Logger gets what no error value can tell, such as panics of handlers; default: the Runtime's.
	Logger *slog.Logger

	mu        sync.Mutex
	rt        *coreruntime.Runtime
	own       bool // rt is ours to stop
	users     int  // ListenAndServe calls under way: the last one stops it
	cfg       *connConfig
	cores     []*serverCore
	listeners map[*corenet.Listener]struct{}
	over      chan struct{} // closed when Shutdown or Close begins
	ended     chan struct{} // nil: neither has begun; closed when one of them has ended
}

// ListenAndServe listens on addr and serves HTTP/2 in cleartext with prior knowledge (RFC 9113 section 3.3) on a
// runtime of its own. It returns when serving has failed.
func ListenAndServe(addr string, handler Handler) error {
	s := &Server{Addr: addr, Handler: handler}
	return s.ListenAndServe()
}

// ListenAndServeTLS listens on addr and serves HTTP/2 over TLS, with the certificate chain and the key in these
// PEM files, on a runtime of its own.
func ListenAndServeTLS(addr, certFile, keyFile string, handler Handler) error {
	s := &Server{Addr: addr, Handler: handler}
	return s.ListenAndServeTLS(certFile, keyFile)
}

// ListenAndServe serves cleartext on s.Addr until Shutdown or Close, and then returns ErrServerClosed. A connection
// that does not begin with HTTP/2's preface is closed.
func (s *Server) ListenAndServe() error {
	return s.listenAndServe(":http", s.Serve)
}

// ListenAndServeTLS is ListenAndServe over TLS. Without file names the certificates of s.TLSConfig are used.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	cfg, err := s.tlsConfig(certFile, keyFile)
	if err != nil {
		return err
	}
	return s.listenAndServe(":https", func(ln *corenet.Listener) error { return s.ServeTLS(ln, cfg) })
}

func (s *Server) tlsConfig(certFile, keyFile string) (*tls.Config, error) {
	cfg := &tls.Config{}
	if s.TLSConfig != nil {
		cfg = s.TLSConfig.Clone()
	}
	if certFile == "" && keyFile == "" {
		return cfg, nil
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("h2: cannot load the certificate %q with the key %q: %w", certFile, keyFile, err)
	}
	cfg.Certificates = []tls.Certificate{cert}
	return cfg, nil
}

func (s *Server) listenAndServe(addr string, serve func(*corenet.Listener) error) error {
	if s.Addr != "" {
		addr = s.Addr
	}
	s.mu.Lock()
	s.users++ // before open: another call that fails must not stop the runtime under this one
	s.mu.Unlock()
	defer s.stopOwn()
	if err := s.open(); err != nil {
		return err
	}
	lc := s.Listen
	if lc.Conn.WriteStallMax == 0 {
		lc.Conn.WriteStallMax = s.cfg.limits.WriteStallMax
	}
	if lc.Conn.OutBufferMax == 0 {
		lc.Conn.OutBufferMax = s.cfg.limits.OutBufferMax
	}
	ln, err := lc.Listen(s.rt, "tcp", addr)
	if err != nil {
		return err
	}
	return serve(ln)
}

// Serve serves cleartext on the connections of ln, on every core, until Shutdown or Close; ln is closed then. When its
// owner closes ln, Serve returns an error that wraps net.ErrClosed, and the connections go on. ln must belong to
// s.Runtime.
func (s *Server) Serve(ln *corenet.Listener) error {
	return s.serve(ln, func(core *serverCore) corenet.Protocol { return newServerConn(core, nil) })
}

// ServeTLS is Serve over TLS; nil means s.TLSConfig.
func (s *Server) ServeTLS(ln *corenet.Listener, cfg *tls.Config) error {
	if cfg == nil {
		cfg = s.TLSConfig
	}
	shared, err := coretls.NewConfig(cfg, s.TLSLimits)
	if err != nil {
		ln.Close()
		return err
	}
	return s.serve(ln, func(core *serverCore) corenet.Protocol {
		p := newServerConn(core, nil)
		p.shake = coretls.NewEngine(shared, p.shaken).(corenet.Holder)
		return &secureConn{p.shake, p}
	})
}

func (s *Server) serve(ln *corenet.Listener, open func(core *serverCore) corenet.Protocol) error {
	if err := s.open(); err != nil {
		ln.Close()
		return err
	}
	if !s.track(ln) {
		ln.Close()
		return ErrServerClosed
	}
	defer s.untrack(ln)
	err := ln.Serve(func(c *coreruntime.Core) corenet.Protocol { return open(s.cores[c.ID()]) })
	if err != nil {
		return err
	}
	select {
	case <-s.over:
		return ErrServerClosed
	case <-ln.Done(): // its owner closed it, or the runtime stops
		return cmp.Or(s.closedError(), ln.Err())
	case <-s.rt.Done():
		return cmp.Or(s.closedError(), coreruntime.ErrStopped)
	}
}

// open checks the fields and makes what all connections share, once.
func (s *Server) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg != nil || s.closedError() != nil {
		return s.closedError()
	}
	if s.Handler == nil {
		return errors.New("h2: Server.Handler is nil: set one")
	}
	limits := s.Limits.withDefaults()
	if err := limits.validate(); err != nil {
		return err
	}
	if s.rt = s.Runtime; s.rt == nil {
		rt, err := coreruntime.Start(context.Background(), coreruntime.Config{Logger: s.Logger})
		if err != nil {
			return err
		}
		s.rt, s.own = rt, true
	}
	logger := s.Logger
	if logger == nil {
		logger = s.rt.Logger()
	}
	s.cfg = &connConfig{limits: limits, handler: s.Handler, logger: logger}
	for _, core := range s.rt.Cores() {
		s.cores = append(s.cores, newServerCore(core, s.cfg))
	}
	s.listeners = map[*corenet.Listener]struct{}{}
	if s.over == nil {
		s.over = make(chan struct{})
	}
	return s.closedError()
}

func (s *Server) closedError() error {
	select {
	case <-s.over:
		return ErrServerClosed
	default:
		return nil
	}
}

func (s *Server) track(ln *corenet.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closedError() != nil {
		return false
	}
	s.listeners[ln] = struct{}{}
	return true
}

func (s *Server) untrack(ln *corenet.Listener) {
	s.mu.Lock()
	delete(s.listeners, ln)
	s.mu.Unlock()
	ln.Close()
}

// Addrs returns the addresses that are being served.
func (s *Server) Addrs() (addrs []net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ln := range s.listeners {
		addrs = append(addrs, ln.Addr())
	}
	return addrs
}

// stopOwn ends one use of the server's own runtime; the last one stops it. A server that was not shut down can be
// started again then, for example on another port.
func (s *Server) stopOwn() {
	s.mu.Lock()
	s.users--
	last, rt, ended := s.own && s.users == 0, s.rt, s.ended
	if last && s.closedError() == nil {
		s.cfg, s.rt, s.cores, s.own = nil, nil, nil, false
	}
	s.mu.Unlock()
	if !last {
		return
	}
	if ended != nil {
		<-ended // Shutdown says how long connections may take, not the runtime
	}
	if err := rt.Stop(context.Background()); err != nil {
		rt.Logger().Error("h2: stopping the server's runtime", slog.Any("error", err))
	}
}
