package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestRoutes asks every route through two clients, on both ports and both drivers.
func TestRoutes(t *testing.T) {
	onDrivers(t, func(t *testing.T, s *server) {
		onPorts(t, s, func(t *testing.T, url string, secure bool) {
			for name, c := range map[string]*http.Client{"net/http": stdClient(t), "x/net": xnetClient(t, secure)} {
				t.Run(name, func(t *testing.T) {
					plainRoutes(t, c, url)
					richRoutes(t, c, url, secure)
					echoTrailers(t, c, url)
				})
			}
		})
	})
}

func plainRoutes(t *testing.T, c *http.Client, url string) {
	for _, r := range []struct {
		path   string
		status int
		body   string // beginning
	}{
		{"/plaintext", 200, "Hello, World!"}, {"/plaintext?x=1", 200, "Hello, World!"}, {"/healthz", 200, "ok\n"},
		{"/sleep/5", 200, "slept 5 ms"}, {"/stream?n=3&ms=1", 200, "line 1\nline 2\nline 3\n"}, {"/stream?n=0", 200, ""},
		{"/bytes/0", 200, ""}, {"/bytes/5", 200, string(pattern[:5])},
		{"/", 404, "no such path"}, {"/plaintext/", 404, "no such path"}, {"/byte", 404, "no such path"},
		{"/bytes/x", 400, `"x" is not a number`}, {"/bytes/-1", 400, `"-1" is not`}, {"/bytes/", 400, `"" is not`},
		{"/bytes/99999999999999999999", 400, ""}, {"/sleep/1e3", 400, ""}, {"/sleep/999999999", 400, ""},
		{"/stream?n=x", 400, ""}, {"/stream?ms=-1", 400, ""}, {"/stream?n=%zz", 400, ""}, {"/panic", 500, ""},
	} {
		if got := get(t, c, url+r.path); got.status != r.status || !strings.HasPrefix(got.body, r.body) {
			t.Errorf("%s: %d %.60q, want %d %q", r.path, got.status, got.body, r.status, r.body)
		}
	}
	got := get(t, c, url+"/plaintext")
	if got.body != "Hello, World!" || got.header.Get("content-type") != "text/plain" || got.header.Get("content-length") != "13" {
		t.Errorf("/plaintext: %+v", got)
	}
	req, _ := http.NewRequest("HEAD", url+"/plaintext", nil)
	if got := do(t, c, req); got.status != 200 || got.body != "" || got.header.Get("content-length") != "13" {
		t.Errorf("HEAD /plaintext: %+v", got)
	}
}

func richRoutes(t *testing.T, c *http.Client, url string, secure bool) {
	req, _ := http.NewRequest("GET", url+"/headers?a=b", nil)
	req.Header.Set("X-Test", "percore")
	var shown struct {
		Method, Path string
		TLS          bool
		Fields       map[string][]string
	}
	got := do(t, c, req)
	if err := json.Unmarshal([]byte(got.body), &shown); err != nil {
		t.Fatalf("/headers: %v\n%s", err, got.body)
	}
	if shown.Path != "/headers?a=b" || shown.TLS != secure || shown.Fields["x-test"][0] != "percore" {
		t.Errorf("/headers: %s", got.body)
	}
	got = get(t, c, url+"/trailers")
	sum := sha256.Sum256([]byte(got.body))
	if got.trailer.Get("x-sha256") != hex.EncodeToString(sum[:]) {
		t.Errorf("/trailers: %v do not fit %q", got.trailer, got.body)
	}
}

// echoTrailers holds /echo to full duplex (each piece is read back before the next is sent) and to trailers.
func echoTrailers(t *testing.T, c *http.Client, url string) {
	r, w := io.Pipe()
	req, _ := http.NewRequest("POST", url+"/echo", r)
	req.Trailer = http.Header{"X-End": nil}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for i := range 5 {
		piece := fmt.Sprintf("piece %d", i)
		got := make([]byte, len(piece))
		w.Write([]byte(piece))
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != piece {
			t.Fatalf("%q came back as %q, %v", piece, got, err)
		}
	}
	req.Trailer.Set("X-End", "here")
	w.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Fatalf("after the end: %q, %v", rest, err)
	}
	if got := resp.Trailer.Get("X-End"); got != "here" {
		t.Errorf("the trailer came back as %q", got)
	}
}

// TestTransfers moves 10 MB down and 100 MB up and back, byte for byte.
func TestTransfers(t *testing.T) {
	size := 100_000_000
	if testing.Short() {
		size = 5_000_000
	}
	onDrivers(t, func(t *testing.T, s *server) {
		onPorts(t, s, func(t *testing.T, url string, secure bool) {
			c := stdClient(t)
			const n = 10_000_000
			want := bytes.Repeat(pattern, n/len(pattern)+1)[:n]
			if got := get(t, c, url+"/bytes/10000000"); got.body != string(want) {
				t.Errorf("/bytes: %d bytes came, different ones", len(got.body))
			}
			upload(t, c, url, size)
		})
	})
}

func upload(t *testing.T, c *http.Client, url string, size int) {
	t.Helper()
	sent, back := sha256.New(), sha256.New()
	resp, err := c.Post(url+"/echo", "application/octet-stream", io.TeeReader(newNoise(size), sent))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(back, resp.Body)
	if err != nil || n != int64(size) || !bytes.Equal(sent.Sum(nil), back.Sum(nil)) {
		t.Errorf("/echo: %d of %d bytes came back, %v", n, size, err)
	}
}

// noise is size bytes that do not repeat soon (xorshift).
type noise struct {
	left int
	x    uint64
}

func newNoise(size int) *noise { return &noise{size, 88172645463325252} }

func (z *noise) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(len(p), z.left)]
	for i := range p {
		z.x ^= z.x << 13
		z.x ^= z.x >> 7
		z.x ^= z.x << 17
		p[i] = byte(z.x)
	}
	z.left -= len(p)
	return len(p), nil
}

// TestSlowReader: a peer that takes its time costs its window and the out-buffer, not the size of what it asked for.
func TestSlowReader(t *testing.T) {
	onDrivers(t, func(t *testing.T, s *server) {
		onPorts(t, s, func(t *testing.T, url string, secure bool) {
			resp, err := stdClient(t).Get(url + "/bytes/2000000000")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			before := heap()
			buf := make([]byte, 64<<10)
			for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
				if _, err := io.ReadFull(resp.Body, buf); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
			// Client and server are one process here: its 4 MB of receive window count too.
			if grown := heap() - before; grown > 12<<20 {
				t.Errorf("the heap has grown by %d bytes", grown)
			}
		})
	})
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
