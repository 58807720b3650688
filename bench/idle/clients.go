package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// dialAll opens n connections, has each served once, says so and holds them until stdin ends.
func dialAll(role, addr string, n int) error {
	conns, errs := make([]net.Conn, n), make([]error, n)
	next := make(chan int)
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			for i := range next {
				conns[i], errs[i] = dialOne(role, addr)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Println("served")
	_, err := io.Copy(io.Discard, os.Stdin)
	for _, c := range conns {
		c.Close()
	}
	return err
}

func dialOne(role, addr string) (nc net.Conn, err error) {
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	if role == "tls" {
		nc, err = tls.DialWithDialer(dialer, "tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	} else {
		nc, err = dialer.Dial("tcp", addr)
	}
	if err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	defer nc.SetDeadline(time.Time{})
	if role == "echo" {
		message := []byte("64 bytes of a message that comes back, and then nothing happens.")
		if _, err := nc.Write(message); err != nil {
			return nc, err
		}
		_, err = io.ReadFull(nc, message)
		return nc, err
	}
	return nc, askOnce(nc)
}

// askOnce is the smallest HTTP/2 client: preface, SETTINGS, one GET; it acknowledges the server's SETTINGS and reads
// until the stream ends.
func askOnce(nc net.Conn) error {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "localhost"}, {":path", "/plaintext"}} {
		enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	const settings, headers, ack, endBoth = 4, 1, 1, 5
	p := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	p = appendFrame(p, settings, 0, 0, nil)
	p = appendFrame(p, headers, endBoth, 1, block.Bytes())
	if _, err := nc.Write(p); err != nil {
		return err
	}
	var head [9]byte
	for {
		if _, err := io.ReadFull(nc, head[:]); err != nil {
			return err
		}
		n := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, nc, n); err != nil {
			return err
		}
		switch kind, flags := head[3], head[4]; {
		case kind == settings && flags&ack == 0:
			if _, err := nc.Write(appendFrame(nil, settings, ack, 0, nil)); err != nil {
				return err
			}
		case binary.BigEndian.Uint32(head[5:]) == 1 && flags&1 != 0:
			return nil
		}
	}
}

func appendFrame(dst []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	dst = append(dst, byte(n>>16), byte(n>>8), byte(n), kind, flags)
	dst = binary.BigEndian.AppendUint32(dst, stream)
	return append(dst, payload...)
}
