package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/percore/percore/runtime"
)

// onDrivers runs a test against the whole program on each driver this machine has, both ports open.
func onDrivers(t *testing.T, f func(t *testing.T, s *server)) {
	for name, mode := range map[string]coreruntime.DriverMode{"uring": coreruntime.DriverUring, "epoll": coreruntime.DriverEpoll} {
		t.Run(name, func(t *testing.T) {
			s, err := start(options{addr: "127.0.0.1:0", tlsAddr: "127.0.0.1:0", debugAddr: "127.0.0.1:0", cores: 2, driver: mode})
			if err != nil && name == "uring" {
				t.Skipf("needs io_uring: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				if err := s.stop(ctx); err != nil {
					t.Error(err)
				}
				http.DefaultClient.CloseIdleConnections()
			})
			f(t, s)
		})
	}
}

// onPorts runs a test on the cleartext and on the TLS port.
func onPorts(t *testing.T, s *server, f func(t *testing.T, url string, secure bool)) {
	t.Run("cleartext", func(t *testing.T) { f(t, "http://"+s.addr.String(), false) })
	t.Run("tls", func(t *testing.T) { f(t, "https://"+s.tls.String(), true) })
}

// stdClient is Go's own net/http client, held to HTTP/2.
func stdClient(t *testing.T) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// xnetClient is x/net's.
func xnetClient(t *testing.T, secure bool) *http.Client {
	tr := &http2.Transport{AllowHTTP: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if !secure {
		tr.DialTLSContext = func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

// answer is what a test looks at.
type answer struct {
	status  int
	body    string
	header  http.Header
	trailer http.Header
}

func do(t *testing.T, c *http.Client, req *http.Request) answer {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.ProtoMajor != 2 {
		t.Fatalf("%s came by %s", req.URL, resp.Proto)
	}
	return answer{resp.StatusCode, string(body), resp.Header, resp.Trailer}
}

func get(t *testing.T, c *http.Client, url string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, c, req)
}

// tool finds a program, or skips with what to install.
func tool(t *testing.T, name, remedy string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs %s: %s", name, remedy)
	}
	return path
}

// output runs a program for at most a minute.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out.String(), errOut.String())
	}
	return out.String()
}

// untilClosed reads from a connection that the server is to close, and returns what came.
func untilClosed(t *testing.T, nc net.Conn) []byte {
	t.Helper()
	nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	p, err := io.ReadAll(nc)
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		t.Fatalf("the server did not close the connection; it sent %q", p)
	}
	return p
}
