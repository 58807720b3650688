package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// screen is an io.Writer that a test can look at while the program writes.
type screenText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screenText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screenText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// TestRefusals: what cannot work is told in one line that names the flag, with the right exit status.
func TestRefusals(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := ln.Addr().String()
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	if err := os.WriteFile(garbage, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"-driver kqueue", 2, "-driver"}, {"-cores -1", 2, "-cores -1"}, {"-cores many", 2, "cores"}, {"-cores 99999999", 2, "-cores"},
		{"-pin=maybe", 2, "auto, always or never"}, {"-addr nonsense", 2, "-addr"}, {"-addr :99999", 2, "-addr"},
		{"-cert x.pem", 2, "-cert and -key"}, {"-key x.pem", 2, "-cert and -key"}, {"-addr= -tls-addr=", 2, "nothing to serve"},
		{"-nosuch", 2, "nosuch"}, {"extra", 2, "extra"}, {"-help", 0, "-tls-addr"},
		{"-addr " + taken + " -tls-addr=", 1, "-addr " + taken}, {"-addr= -tls-addr " + taken, 1, "-tls-addr"},
		{"-addr 127.0.0.1:0 -tls-addr 127.0.0.1:0 -debug-addr " + taken, 1, "-debug-addr"},
		{"-addr= -tls-addr 127.0.0.1:0 -cert /nonexistent.pem -key /nonexistent.pem", 1, "/nonexistent.pem"},
		{"-addr= -tls-addr 127.0.0.1:0 -cert " + garbage + " -key " + garbage, 1, "garbage.pem"},
	} {
		var out, errOut bytes.Buffer
		status := run(strings.Fields(c.args), &out, &errOut, nil)
		if status != c.status || !strings.Contains(errOut.String(), c.want) {
			t.Errorf("%s: status %d, %q; want %d and %q", c.args, status, errOut.String(), c.status, c.want)
		}
		if c.status == 1 && strings.Count(errOut.String(), "\n") > 2 {
			t.Errorf("%s: more than one message: %q", c.args, errOut.String())
		}
	}
}

// TestSecondInstance: the group's first socket is bound exclusively, so a second program on the port is refused.
func TestSecondInstance(t *testing.T) {
	onDrivers(t, func(t *testing.T, s *server) {
		var errOut bytes.Buffer
		status := run([]string{"-addr", s.addr.String(), "-tls-addr="}, io.Discard, &errOut, nil)
		if status != 1 || !strings.Contains(errOut.String(), "in use") {
			t.Errorf("status %d, %q", status, errOut.String())
		}
	})
}

// TestSignals: the first signal lets a request finish, the second ends the program at once.
func TestSignals(t *testing.T) {
	for _, c := range []struct {
		name, path string
		second     bool
		status     int
	}{{"drain", "/sleep/300", false, 0}, {"at once", "/sleep/60000", true, 130}} {
		t.Run(c.name, func(t *testing.T) {
			signals, done := make(chan os.Signal, 2), make(chan int, 1)
			out := &screenText{}
			addr := freeAddr(t)
			go func() { done <- run([]string{"-addr", addr, "-tls-addr="}, out, out, signals) }()
			awaitPort(t, addr)
			asked := make(chan error, 1)
			go func() {
				resp, err := stdClient(t).Get("http://" + addr + c.path)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
				}
				asked <- err
			}()
			awaitRequest(t, addr)
			signals <- syscall.SIGTERM
			if c.second {
				signals <- syscall.SIGTERM
			} else if err := <-asked; err != nil {
				t.Errorf("the request under way: %v", err)
			}
			select {
			case status := <-done:
				if status != c.status {
					t.Errorf("status %d, want %d\n%s", status, c.status, out)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("the program goes on\n%s", out)
			}
			if !strings.Contains(out.String(), "saying goodbye") {
				t.Errorf("screen:\n%s", out)
			}
		})
	}
}

func freeAddr(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func awaitPort(t *testing.T, addr string) {
	for end := time.Now().Add(10 * time.Second); ; {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			nc.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// awaitRequest gives the request of another goroutine the time of a few round trips to arrive.
func awaitRequest(t *testing.T, addr string) {
	c := stdClient(t)
	for range 3 {
		get(t, c, "http://"+addr+"/sleep/20")
	}
}

// TestWrongProtocol: garbage, TLS on the cleartext port and the reverse end in a clean close; others are not harmed.
func TestWrongProtocol(t *testing.T) {
	onDrivers(t, func(t *testing.T, s *server) {
		for name, p := range map[string]string{
			"garbage": strings.Repeat("\x00\xff garbage ", 100), "http/1.1": "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "nothing": "",
		} {
			for _, addr := range []net.Addr{s.addr, s.tls} {
				nc, err := net.Dial("tcp", addr.String())
				if err != nil {
					t.Fatal(err)
				}
				nc.Write([]byte(p))
				if p == "" {
					nc.(*net.TCPConn).CloseWrite()
				}
				got := untilClosed(t, nc)
				t.Logf("%s: %d bytes came back, then the end", name, len(got))
				nc.Close()
			}
		}
		dialer := &net.Dialer{Timeout: 5 * time.Second}
		if nc, err := tls.DialWithDialer(dialer, "tcp", s.addr.String(), &tls.Config{InsecureSkipVerify: true}); err == nil {
			nc.Close()
			t.Error("the cleartext port spoke TLS")
		}
		for _, url := range []string{"http://" + s.addr.String(), "https://" + s.tls.String()} {
			if got := get(t, stdClient(t), url+"/plaintext"); got.body != "Hello, World!" {
				t.Errorf("%s: %+v", url, got)
			}
		}
	})
}

// TestDebug: metrics are one JSON object that counts what was served, and pprof answers.
func TestDebug(t *testing.T) {
	onDrivers(t, func(t *testing.T, s *server) {
		for range 5 {
			get(t, stdClient(t), "http://"+s.addr.String()+"/plaintext")
		}
		base := "http://" + s.debug.addr.String()
		var vars struct {
			Cores []struct{ Counters map[string]uint64 }
			H2    struct{ Requests uint64 }
		}
		fetch(t, base+"/debug/vars", func(r io.Reader) error { return json.NewDecoder(r).Decode(&vars) })
		if vars.H2.Requests < 5 || len(vars.Cores) != 2 {
			t.Errorf("%+v", vars)
		}
		fetch(t, base+"/debug/pprof/goroutine?debug=1", func(r io.Reader) error {
			p, err := io.ReadAll(r)
			if !bytes.Contains(p, []byte("goroutine profile")) {
				t.Errorf("%.200s", p)
			}
			return err
		})
	})
}

func fetch(t *testing.T, url string, read func(io.Reader) error) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := read(resp.Body); err != nil {
		t.Fatal(err)
	}
}
