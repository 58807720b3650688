package h2

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// testHandler serves the paths that the tests and scripts of this package use.
func testHandler(w *Response, r *Request) {
	switch path := r.RawPath(); {
	case path == "/plaintext":
		w.Set("content-type", "text/plain")
		w.WriteString("Hello, World!")
	case path == "/echo":
		io.Copy(w, r.Body)
		for _, f := range r.Trailers() {
			w.Trailer(f.Name, f.Value)
		}
	case path == "/read":
		b, err := io.ReadAll(r.Body)
		w.WriteString(strconv.Itoa(len(b)) + " " + errText(err))
	case strings.HasPrefix(path, "/bytes/"):
		n, _ := strconv.Atoi(path[len("/bytes/"):])
		w.SetContentLength(int64(n))
		w.Write(bytes.Repeat([]byte{'x'}, n))
	case strings.HasPrefix(path, "/status/"):
		n, _ := strconv.Atoi(path[len("/status/"):])
		w.SetStatus(n)
	case path == "/panic":
		panic("boom")
	case path == "/late-panic":
		w.Flush()
		w.WriteString("part")
		b := make([]byte, 1)
		r.Body.Read(b)
		panic("boom")
	case path == "/goexit":
		runtime.Goexit()
	case path == "/trailers":
		w.WriteString("body")
		w.Trailer("x-sum", "42")
	case path == "/hints":
		w.Informational(103, Field{Name: "link", Value: "</a.css>"})
		w.WriteString("done")
	case path == "/short":
		w.SetContentLength(10)
		w.WriteString("short")
	case path == "/long":
		w.SetContentLength(2)
		if _, err := w.WriteString("long"); !errors.Is(err, ErrContentLength) {
			panic("write beyond content-length is accepted")
		}
		w.WriteString("ok")
	case path == "/badfield":
		w.Set("bad name", "x")
	case path == "/fields":
		for _, f := range r.Fields() {
			w.WriteString(f.Name + "=" + f.Value + ";")
		}
	case path == "/wait": // until one octet of the body, or an error
		_, err := r.Body.Read(make([]byte, 1))
		w.WriteString(errText(err))
	}
}

func errText(err error) string {
	if err == nil {
		return "nil"
	}
	return err.Error()
}

func TestPlaintext(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(testHandler))
	defer p.end()
	p.pool.date = "Sat, 21 Nov 2026 04:00:00 GMT"
	for id := uint32(1); id < 600; id += 2 {
		p.request(id, true, "GET", "/plaintext")
		p.want("HEADERS " + strconv.Itoa(int(id)) + " :status=200 date=" + p.pool.date + " content-length=13 content-type=text/plain")
		p.want("DATA " + strconv.Itoa(int(id)) + ` END_STREAM "Hello, World!"`)
		p.wantIdle()
	}
	if p.c.active != 0 || len(p.pool.streams) != 1 {
		t.Fatalf("%d streams active, %d pooled", p.c.active, len(p.pool.streams))
	}
}

func TestEchoBothWays(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(testHandler))
	defer p.end()
	p.request(1, false, "POST", "/echo")
	p.wantIdle()
	p.data(1, false, "one")
	p.wantIdle() // buffered: the handler did not flush
	p.data(1, true, "two")
	p.want("HEADERS 1 :status=200 content-length=6")
	p.want(`DATA 1 END_STREAM "onetwo"`)
	p.request(3, false, "POST", "/echo")
	p.data(3, false, "body")
	p.headers(3, true, "x-sum", "7")
	p.want("HEADERS 3 :status=200")
	p.want(`DATA 3 "body"`)
	p.want("HEADERS 3 END_STREAM x-sum=7")
}

func TestUploadReturnsWindow(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(testHandler))
	defer p.end()
	p.request(1, false, "POST", "/read")
	sent, credit := 0, 0
	for range 400 {
		p.must(p.fr.WriteDataPadded(1, false, make([]byte, 16000), make([]byte, 100)))
		p.push()
		sent += 16101
		for len(p.got) > 0 {
			var n int
			if rest, ok := strings.CutPrefix(p.got[0], "WINDOW_UPDATE 1 "); ok {
				n, _ = strconv.Atoi(rest)
			}
			credit += n
			p.got = p.got[1:]
		}
		if window := 256<<10 - sent + credit; window < 128<<10 {
			t.Fatalf("the stream's window went down to %d", window)
		}
	}
	p.data(1, true, "")
	p.want("HEADERS 1 :status=200 content-length=11")
	p.want(`DATA 1 END_STREAM "6400000 nil"`)
}

func TestLargeDownloadObeysWindows(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(testHandler), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	defer p.end()
	p.request(1, true, "GET", "/bytes/100000")
	p.want("HEADERS 1 :status=200 content-length=100000")
	p.want("DATA 1 len=1000")
	p.wantIdle()
	p.must(p.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 500}))
	p.must(p.fr.WriteWindowUpdate(1, 600))
	p.push()
	p.want("SETTINGS ACK")
	p.want("DATA 1 len=100")
	p.must(p.fr.WriteWindowUpdate(1, 1<<20))
	p.push()
	total := 1100
	for _, n := range []int{16384, 16384, 16384, 15283} {
		p.want("DATA 1 len=" + strconv.Itoa(n))
		total += n
	}
	if total != 65535 {
		t.Fatal(total)
	}
	p.wantIdle() // the connection's window
	p.must(p.fr.WriteWindowUpdate(0, 1<<20))
	p.push()
	p.want("DATA 1 len=16384")
	p.want("DATA 1 len=16384")
	p.want("DATA 1 len=1697")
	p.want(`DATA 1 END_STREAM ""`) // trailers could have followed
}

// TestSmallGetAllocatesNothing is the budget of the hot path: recv bytes to send bytes.
func TestSmallGetAllocatesNothing(t *testing.T) {
	run := newGetLoop(t)
	for range 1000 {
		run()
	}
	if n := testing.AllocsPerRun(2000, run); n != 0 {
		t.Errorf("a small GET allocates %v times", n)
	}
}

// newGetLoop returns a function that feeds one GET and flushes its answer.
func newGetLoop(t testing.TB) func() {
	p := newOpenPeer(t, Limits{}, HandlerFunc(func(w *Response, r *Request) {
		w.Set("content-type", "text/plain")
		w.WriteString("Hello, World!")
	}))
	h := p.fakeHost
	h.inline = true
	h.pool.date = "Sat, 21 Nov 2026 04:00:00 GMT"
	p.request(1, true, "GET", "/plaintext", "user-agent", "h2load nghttp2/1.52.0")
	p.must(p.fr.WriteWindowUpdate(0, 1<<30))
	p.push()
	block := p.block(":method", "GET", ":scheme", "http", ":path", "/plaintext", ":authority", "test", "user-agent", "h2load nghttp2/1.52.0")
	frame := appendHeaders(nil, 3, block, true, frameSizeMin)
	out := make([]byte, 0, 64<<10)
	id := uint32(3)
	return func() {
		putFrameHeader(frame, len(block), FrameHeaders, FlagEndHeaders|FlagEndStream, id)
		id += 2
		if n := h.c.feed(h.clock, frame); n != len(frame) {
			t.Fatal("feed left bytes")
		}
		h.run()
		if out = h.c.flush(h.clock, out[:0]); len(out) < 60 {
			t.Fatalf("answer is %q", out)
		}
	}
}

func BenchmarkSmallGet(b *testing.B) {
	run := newGetLoop(b)
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
}
