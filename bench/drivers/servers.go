package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/percore/percore/bench/internal/load"
	"github.com/percore/percore/h2"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// play is a child process in one role; it ends with its parent.
func play(role string, args []string) error {
	if role == "by hand" {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	switch {
	case role == "load" && len(args) == 3:
		conns, _ := strconv.Atoi(args[1])
		size, _ := strconv.Atoi(args[2])
		return load.Echoes(args[0], conns, size)
	case role == "by hand":
		return rawEcho()
	case role == "echo" && len(args) == 1:
		return serve(args[0], echo)
	case role == "h2" && len(args) == 1:
		return serve(args[0], plaintext)
	}
	return fmt.Errorf("no such role with %d arguments", len(args))
}

func serve(driver string, run func(*coreruntime.Runtime, *corenet.Listener) error) error {
	mode, err := coreruntime.ParseDriverMode(driver)
	if err != nil {
		return err
	}
	rt, err := coreruntime.Start(context.Background(), coreruntime.Config{Driver: mode})
	if err != nil {
		return err
	}
	ln, err := corenet.Listen(rt, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go answer(rt)
	fmt.Println(ln.Addr())
	return run(rt, ln)
}

// answer tells the parent, for each line, how often the drivers were entered and how many completions that brought.
func answer(rt *coreruntime.Runtime) {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var c counts
		for _, core := range rt.Metrics().Cores {
			c.Enters += core.Driver.Enters
			c.Completed += core.Driver.Completed
		}
		json.NewEncoder(os.Stdout).Encode(c)
	}
	os.Exit(0)
}

// echo is the README's: a task for each connection.
func echo(rt *coreruntime.Runtime, ln *corenet.Listener) error {
	return rt.Run(func(c *coreruntime.Core) error {
		for l := ln.On(c); ; {
			conn, err := l.Accept()
			if err != nil {
				return err
			}
			c.Go("echo", func() {
				defer conn.Close()
				io.Copy(conn, conn)
			})
		}
	})
}

func plaintext(rt *coreruntime.Runtime, ln *corenet.Listener) error {
	srv := &h2.Server{Runtime: rt, Handler: h2.HandlerFunc(func(w *h2.Response, r *h2.Request) {
		w.Set("content-type", "text/plain")
		w.WriteString("Hello, World!")
	})}
	return srv.Serve(ln)
}
