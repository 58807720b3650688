package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// drainMax bounds how long a stop waits for requests under way.
const drainMax = 15 * time.Second

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, signals))
}

// run is the whole program: 0 after an orderly stop, 1 when it could not start or serve, 2 for flags that make no
// sense, 130 when a second signal cut the stop short.
func run(args []string, out, errOut io.Writer, signals <-chan os.Signal) int {
	o, status := parseFlags(args, errOut)
	if status != flagsGood {
		return status
	}
	s, err := start(o)
	if err != nil {
		fmt.Fprintln(errOut, "server:", err)
		return 1
	}
	s.screen(out)
	var failed error
	select {
	case sig := <-signals:
		fmt.Fprintf(out, "%v: saying goodbye to every client; a second signal ends the program at once\n", sig)
	case failed = <-s.failed:
		fmt.Fprintln(errOut, "server:", failed)
	}
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainMax)
		defer cancel()
		stopped <- s.stop(ctx)
	}()
	select {
	case err = <-stopped:
	case <-signals:
		return 130
	}
	if err != nil {
		fmt.Fprintln(errOut, "server: stopping:", err)
	}
	if err != nil || failed != nil {
		return 1
	}
	fmt.Fprintln(out, "stopped")
	return 0
}
