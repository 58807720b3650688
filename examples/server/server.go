package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/percore/percore/h2"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// server is the running program: one runtime, one h2.Server on up to two ports.
type server struct {
	o      options
	rt     *coreruntime.Runtime
	h2     *h2.Server
	addr   net.Addr // nil: no cleartext port
	tls    net.Addr // nil: no TLS port
	debug  *debugServer
	failed chan error // serving ended by itself
}

// start binds every port before it serves any, so that a port in use is told before anything answers.
func start(o options) (s *server, err error) {
	var cert tls.Certificate
	if o.tlsAddr != "" {
		if cert, err = certificate(o.cert, o.key); err != nil {
			return nil, err
		}
	}
	rt, err := coreruntime.Start(context.Background(), coreruntime.Config{Cores: o.cores, Pin: o.pin, Driver: o.driver, Restrict: o.restrict, Off: o.off})
	if err != nil {
		return nil, err
	}
	s = &server{o: o, rt: rt, failed: make(chan error, 3)}
	s.h2 = &h2.Server{Handler: h2.HandlerFunc(route), Runtime: rt, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12,
	}}
	if err = s.listen(); err != nil {
		return nil, errors.Join(err, rt.Stop(context.Background()))
	}
	return s, nil
}

func (s *server) listen() error {
	var plain, secure *corenet.Listener
	var err error
	if s.o.addr != "" {
		if plain, err = corenet.Listen(s.rt, "tcp", s.o.addr); err != nil {
			return fmt.Errorf("-addr %s: %w", s.o.addr, err)
		}
		s.addr = plain.Addr()
	}
	if s.o.tlsAddr != "" {
		if secure, err = corenet.Listen(s.rt, "tcp", s.o.tlsAddr); err != nil {
			return fmt.Errorf("-tls-addr %s: %w", s.o.tlsAddr, err)
		}
		s.tls = secure.Addr()
	}
	if s.o.debugAddr != "" {
		if s.debug, err = listenDebug(s); err != nil {
			return fmt.Errorf("-debug-addr %s: %w", s.o.debugAddr, err)
		}
	}
	if plain != nil {
		go s.serve(func() error { return s.h2.Serve(plain) })
	}
	if secure != nil {
		go s.serve(func() error { return s.h2.ServeTLS(secure, nil) })
	}
	return nil
}

func (s *server) serve(fn func() error) {
	if err := fn(); err != nil && !errors.Is(err, h2.ErrServerClosed) && !errors.Is(err, coreruntime.ErrStopped) {
		s.failed <- err
	}
}

// stop says goodbye by GOAWAY, lets requests finish until ctx ends, and leaves nothing behind.
func (s *server) stop(ctx context.Context) error {
	err := s.h2.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("some requests did not finish: %w", err), s.h2.Close())
	}
	return errors.Join(err, s.debug.close(), s.rt.Stop(context.WithoutCancel(ctx)))
}
