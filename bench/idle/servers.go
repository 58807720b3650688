package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/percore/percore/bench/internal/measure"
	"github.com/percore/percore/h2"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// play is a child process in one role.
func play(role string, args []string) error {
	if role == "clients" && len(args) == 3 {
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return dialAll(args[0], args[1], n)
	}
	if len(args) != 1 {
		return fmt.Errorf("no such role with %d arguments", len(args))
	}
	mode, err := coreruntime.ParseDriverMode(args[0])
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
	failed := make(chan error, 1)
	go func() { failed <- serve(role, rt, ln) }()
	go answer(rt)
	fmt.Println(ln.Addr())
	return <-failed
}

func serve(role string, rt *coreruntime.Runtime, ln *corenet.Listener) error {
	srv := &h2.Server{Runtime: rt, Handler: h2.HandlerFunc(func(w *h2.Response, r *h2.Request) {
		w.Set("content-type", "text/plain")
		w.WriteString("Hello, World!")
	})}
	switch role {
	case "h2":
		return srv.Serve(ln)
	case "tls":
		cfg, err := certificate()
		if err != nil {
			return err
		}
		return srv.ServeTLS(ln, cfg)
	case "echo":
		return rt.Run(func(c *coreruntime.Core) error { return echo(c, ln.On(c)) })
	}
	return fmt.Errorf("no role %q", role)
}

func certificate() (*tls.Config, error) {
	dir, err := os.MkdirTemp("", "percore-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	certFile, keyFile, err := measure.WriteCert(dir)
	if err != nil {
		return nil, err
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	return &tls.Config{Certificates: []tls.Certificate{cert}}, err
}

func echo(c *coreruntime.Core, l *corenet.CoreListener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		c.Go("echo", func() {
			defer conn.Close()
			io.Copy(conn, conn)
		})
	}
}

// answer tells the parent what this process uses, whenever it asks, and ends the process with its parent.
func answer(rt *coreruntime.Runtime) {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		time.Sleep(1500 * time.Millisecond) // what is only kept for a moment is gone by then
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		u := usage{Heap: m.HeapAlloc, Stack: m.StackInuse, RSS: measure.RSS(), Goroutines: runtime.NumGoroutine()}
		for _, c := range rt.Metrics().Cores {
			u.Mapped += c.Driver.MappedBytes
		}
		json.NewEncoder(os.Stdout).Encode(u)
	}
	os.Exit(0)
}
