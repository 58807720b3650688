package h2

import (
	"bytes"
	"net"
	"os/exec"
	"testing"
	"time"
)

// TestH2Spec runs the conformance suite against the pure connection, pumped by a goroutine and a std net.Conn.
// The whole server passes it too (.ci/run); here a failing rule points at this package alone.
func TestH2Spec(t *testing.T) {
	tool, err := exec.LookPath("h2spec")
	if err != nil {
		t.Skip("h2spec is not installed: go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible")
	}
	if testing.Short() {
		t.Skip("needs seconds: run without -short")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go pump(t, nc)
		}
	}()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	cmd := exec.Command(tool, "-h", "127.0.0.1", "-p", port, "-S", "-o", "2", "-P", "/read")
	out, err := cmd.CombinedOutput()
	if err != nil {
		i := bytes.Index(out, []byte("Failures"))
		t.Fatalf("%v\n%s", err, out[max(i, 0):])
	}
	t.Logf("%s", out[max(len(out)-120, 0):])
}

// pump serves one connection.
func pump(t *testing.T, nc net.Conn) {
	defer nc.Close()
	h := newFakeHost(t, Limits{}, HandlerFunc(testHandler))
	buf := make([]byte, 4096)
	for {
		n, err := nc.Read(buf)
		if n > 0 {
			nc.Write(h.send(buf[:n]))
		}
		if h.c.finished() {
			nc.(*net.TCPConn).CloseWrite()
			nc.SetReadDeadline(time.Now().Add(time.Second))
			for err == nil {
				_, err = nc.Read(buf)
			}
		}
		if err != nil {
			h.end()
			return
		}
	}
}
