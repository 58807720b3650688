package h2

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// onDrivers runs a test on every driver that this machine has.
func onDrivers(t *testing.T, f func(t *testing.T, rt *coreruntime.Runtime)) {
	for name, mode := range map[string]coreruntime.DriverMode{"uring": coreruntime.DriverUring, "epoll": coreruntime.DriverEpoll} {
		t.Run(name, func(t *testing.T) {
			leak.Check(t)
			rt, err := coreruntime.Start(context.Background(), coreruntime.Config{Cores: 2, Driver: mode, Logger: slog.New(slog.DiscardHandler), DrainTimeout: 5 * time.Second})
			if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
				t.Skipf("needs the driver %s, and io_uring is refused here: %v", name, err)
			}
			if err != nil {
				t.Fatal(err) // anything else is our fault
			}
			t.Cleanup(func() {
				if err := rt.Stop(context.Background()); err != nil {
					t.Error(err)
				}
			})
			f(t, rt)
		})
	}
}

// serve starts a server on rt and returns it and its address; it is gone when the test ends.
func serve(t *testing.T, rt *coreruntime.Runtime, s *Server, secure *tls.Config) string {
	t.Helper()
	s.Runtime = rt
	ln, err := corenet.Listen(rt, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	done := make(chan error, 1)
	go func() {
		if secure != nil {
			done <- s.ServeTLS(ln, secure)
		} else {
			done <- s.Serve(ln)
		}
	}()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
	return addr
}

func testCertificate(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// client returns x/net's client and the URL prefix for it.
func client(t *testing.T, addr string, secure bool) (*http.Client, string) {
	tr := &http2.Transport{AllowHTTP: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(tr.CloseIdleConnections)
	if secure {
		return &http.Client{Transport: tr}, "https://" + addr
	}
	tr.DialTLSContext = func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	return &http.Client{Transport: tr}, "http://" + addr
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(b))
}

// TestServer talks to the whole server with x/net's client, on both drivers, in cleartext and over TLS.
func TestServer(t *testing.T) {
	onDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint("tls=", secure), func(t *testing.T) {
				s := &Server{Handler: HandlerFunc(testHandler)}
				var cfg *tls.Config
				if secure {
					cfg = testCertificate(t)
				}
				c, url := client(t, serve(t, rt, s, cfg), secure)
				exercise(t, s, c, url)
			})
		}
	})
}

func exercise(t *testing.T, s *Server, c *http.Client, url string) {
	for range 10 {
		if got := get(t, c, url+"/plaintext"); got != "200 Hello, World!" {
			t.Fatal(got)
		}
	}
	if got := get(t, c, url+"/panic"); got != "500 " {
		t.Fatal(got)
	}
	if got := get(t, c, url+"/goexit"); got != "500 " {
		t.Fatal(got)
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB, four times the connection's window
	resp, err := c.Post(url+"/echo", "text/plain", bytes.NewReader(big))
	if err != nil {
		t.Fatal(err)
	}
	back, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(back, big) {
		t.Fatalf("echo: %d bytes of %d came back, %v", len(back), len(big), err)
	}
	if date := resp.Header.Get("date"); len(date) != len(http.TimeFormat) {
		t.Fatalf("date is %q", date)
	}
	if n := len(get(t, c, url+"/bytes/3000000")); n != 3000004 {
		t.Fatalf("a download of %d bytes", n)
	}
	if m := s.Metrics(); m.Requests < 14 || m.HandlerPanics != 1 || m.ConnsOpen == 0 {
		t.Fatalf("%+v", m)
	}
}

// TestShutdownServesWhatIsUnderWay: the handler that waits gets its time, a new connection is refused.
func TestShutdownServesWhatIsUnderWay(t *testing.T) {
	onDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		started, release := make(chan *coreruntime.Core), make(chan struct{})
		s := &Server{Handler: HandlerFunc(func(w *Response, r *Request) {
			c := r.Core()
			_, err := coreruntime.Offload(c, func() (int, error) { started <- c; <-release; return 0, nil })
			w.WriteString("done " + errText(err))
		})}
		addr := serve(t, rt, s, nil)
		c, url := client(t, addr, false)
		answer := make(chan string, 1)
		go func() { answer <- get(t, c, url) }()
		<-started
		down := make(chan error, 1)
		go func() { down <- s.Shutdown(t.Context()) }()
		waitRefused(t, addr)
		close(release)
		if got := <-answer; got != "200 done nil" {
			t.Fatal(got)
		}
		if err := <-down; err != nil {
			t.Fatal(err)
		}
		if m := s.Metrics(); m.ConnsOpen != 0 || m.GoAwaysOut[ErrCodeNo] < 2 {
			t.Fatalf("%+v", m)
		}
	})
}

// waitRefused dials until nobody listens.
func waitRefused(t *testing.T, addr string) {
	for end := time.Now().Add(5 * time.Second); ; {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		nc.Close()
		if time.Now().After(end) {
			t.Fatal("the server still listens")
		}
	}
}

// TestNotHTTP2: a client of another protocol is closed without an answer.
func TestNotHTTP2(t *testing.T) {
	onDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		addr := serve(t, rt, &Server{Handler: HandlerFunc(testHandler)}, nil)
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if b, err := io.ReadAll(nc); len(b) > 0 || err != nil {
			t.Fatalf("got %q, %v", b, err)
		}
	})
}

// TestClientsThatVanish: connections cut in the middle of everything leave nothing behind.
func TestClientsThatVanish(t *testing.T) {
	onDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		s := &Server{Handler: HandlerFunc(testHandler)}
		addr := serve(t, rt, s, nil)
		wire := dialogue(t)
		for cut := 0; cut < len(wire); cut += 7 {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			nc.Write(wire[:cut])
			if cut%2 == 0 {
				nc.(*net.TCPConn).SetLinger(0)
			}
			nc.Close()
		}
		for end := time.Now().Add(5 * time.Second); ; {
			m := s.Metrics()
			if m.ConnsOpen == 0 && m.StreamsOpen == 0 {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("left behind: %+v", m)
			}
		}
	})
}

func TestServerConfigErrors(t *testing.T) {
	if err := (&Server{}).ListenAndServe(); err == nil || !strings.Contains(err.Error(), "Handler") {
		t.Error(err)
	}
	if err := (&Server{Handler: HandlerFunc(testHandler), Limits: Limits{FrameSizeMax: 5}}).ListenAndServe(); err == nil || !strings.Contains(err.Error(), "FrameSizeMax") {
		t.Error(err)
	}
	if err := ListenAndServeTLS("127.0.0.1:0", "no-such-cert.pem", "no-such-key.pem", HandlerFunc(testHandler)); err == nil || !strings.Contains(err.Error(), "no-such-cert.pem") {
		t.Error(err)
	}
}

// TestServerH2Spec runs the conformance suite against the whole server.
func TestServerH2Spec(t *testing.T) {
	tool, err := exec.LookPath("h2spec")
	if err != nil || testing.Short() {
		t.Skip("h2spec is not installed, or -short")
	}
	onDrivers(t, func(t *testing.T, rt *coreruntime.Runtime) {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint("tls=", secure), func(t *testing.T) {
				args := []string{"-S", "-o", "2", "-P", "/read", "-h", "127.0.0.1"}
				var cfg *tls.Config
				if secure {
					cfg = testCertificate(t)
					args = append(args, "-t", "-k")
				}
				_, port, _ := net.SplitHostPort(serve(t, rt, &Server{Handler: HandlerFunc(testHandler)}, cfg))
				out, err := exec.Command(tool, append(args, "-p", port)...).CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out[max(0, bytes.Index(out, []byte("Failures"))):])
				}
			})
		}
	})
}
