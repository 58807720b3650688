// Echo sends back whatever arrives: one task for each connection, each on the core that accepted it.
//
//	go run ./examples/echo -addr :7000 &
//	printf 'hello\n' | nc -N 127.0.0.1 7000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

func main() {
	addr := flag.String("addr", ":7000", "address to listen on")
	cores := flag.Int("cores", 0, "number of cores; 0: the CPUs this process may use")
	driver := flag.String("driver", "auto", "auto, uring or epoll")
	flag.Parse()
	if err := run(*addr, *cores, *driver); err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

func run(addr string, cores int, driver string) error {
	mode, err := coreruntime.ParseDriverMode(driver)
	if err != nil {
		return err
	}
	rt, err := coreruntime.Start(context.Background(), coreruntime.Config{Cores: cores, Driver: mode})
	if err != nil {
		return err
	}
	stopped := make(chan error, 1)
	signals, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	context.AfterFunc(signals, func() { stopped <- rt.Stop(context.Background()) })

	ln, err := corenet.Listen(rt, "tcp", addr)
	if err != nil {
		return errors.Join(err, rt.Stop(context.Background()))
	}
	fmt.Printf("echo on %s: %d cores, driver %s\n", ln.Addr(), len(rt.Cores()), rt.Info().Driver)
	err = rt.Run(func(c *coreruntime.Core) error { return serve(c, ln.On(c)) })
	cancel() // also when Run ended by itself
	return errors.Join(err, <-stopped)
}

// serve accepts on one core until the listener is closed, which Stop does.
func serve(c *coreruntime.Core, l *corenet.CoreListener) error {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		c.Go("echo", func() { echo(conn) })
	}
}

func echo(conn *corenet.Conn) {
	defer conn.Close()
	// A peer that goes away in the middle is nobody's fault here.
	_, _ = io.Copy(conn, conn)
}
