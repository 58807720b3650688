package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"

	"github.com/percore/percore/bench/internal/load"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// play is a child process in one role. Servers end at the end of their stdin, which is their parent's.
func play(role string, args []string) error {
	switch {
	case role == "percore" && len(args) == 1:
		return percoreEcho(args[0])
	case role == "net":
		return netEcho(func(conn net.Conn) { io.Copy(conn, conn) })
	case role == "loop":
		return netEcho(readAndWrite)
	case role == "load" && len(args) == 3:
		conns, _ := strconv.Atoi(args[1])
		size, _ := strconv.Atoi(args[2])
		return load.Echoes(args[0], conns, size)
	}
	return fmt.Errorf("no such role with %d arguments", len(args))
}

func percoreEcho(driver string) error {
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
	fmt.Println(ln.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
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

// netEcho serves each connection by one goroutine.
func netEcho(echo func(net.Conn)) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			echo(conn)
		}()
	}
}

// readAndWrite is the leanest echo on net: io.Copy goes through splice(2) there.
func readAndWrite(conn net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}
