package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
)

// warm uses the network once, on one CPU. The kernel patches its own code at such first times (static keys), and the
// emulator does not always keep a CPU that runs the same code from seeing half a patch: the kernel then dies of
// "Oops: int3", which says nothing of percore.
func warm() error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var errs []error
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		errs = append(errs, exchange(network))
	}
	return errors.Join(errs...)
}

// exchange sends a byte over a connection of its own.
func exchange(network string) error {
	address := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": "/tmp/warm"}[network]
	ln, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	defer ln.Close()
	out, err := net.Dial(network, ln.Addr().String())
	if err != nil {
		return err
	}
	defer out.Close()
	in, err := ln.Accept()
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := out.Write([]byte{1}); err != nil {
		return err
	}
	if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
		return fmt.Errorf("%s: %w", network, err)
	}
	return nil
}
