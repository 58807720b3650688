package h2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestStreamEndsWithinItsTrailers: the stream goes back to the pool while its field block is open; the rest of the
// block must not reach the request that has the pooled stream next.
func TestStreamEndsWithinItsTrailers(t *testing.T) {
	p := newOpenPeer(t, Limits{HeaderBlockMax: time.Hour}, HandlerFunc(testHandler))
	defer p.end()
	p.request(1, false, "POST", "/read")
	block := p.block("x-late", "1", "x-later", "2")
	p.must(p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true, BlockFragment: block[:4]}))
	p.push()
	p.take(p.advance(30 * time.Second))
	p.wantIdle()
	p.c.streams.get(1).resetLocal(ErrCodeCancel, "test")
	p.take(p.settle(nil))
	p.want("RST_STREAM 1 CANCEL")
	p.must(p.fr.WriteContinuation(1, true, block[4:]))
	p.push()
	p.wantIdle()
	p.request(3, true, "GET", "/fields", "x-late", "1")
	p.want("HEADERS 3 ...")
	p.want(`DATA 3 END_STREAM "x-late=1;"`)
}

// TestMisuse: what belongs to the handler refuses its service afterwards, and two tasks do not share a direction.
func TestMisuse(t *testing.T) {
	var w *Response
	var r *Request
	p := newOpenPeer(t, Limits{}, HandlerFunc(func(w1 *Response, r1 *Request) { w, r = w1, r1 }))
	defer p.end()
	p.request(1, true, "GET", "/")
	if _, err := w.Write([]byte("late")); err != ErrHandlerReturned {
		t.Error(err)
	}
	if _, err := r.Body.Read(make([]byte, 1)); err != ErrHandlerReturned {
		t.Error(err)
	}
	if err := w.Flush(); err != ErrHandlerReturned {
		t.Error(err)
	}
	if err := w.Informational(103); err != ErrHandlerReturned {
		t.Error(err)
	}
}

// TestContextEnds: the context tells why the stream is over.
func TestContextEnds(t *testing.T) {
	var ctx context.Context
	p := newOpenPeer(t, Limits{}, HandlerFunc(func(w *Response, r *Request) {
		ctx = r.Context()
		r.Body.Read(make([]byte, 1))
	}))
	defer p.end()
	p.request(1, false, "POST", "/")
	if ctx.Err() != nil {
		t.Fatal("canceled early")
	}
	p.out.Write(appendRSTStream(nil, 1, ErrCodeCancel))
	p.push()
	var se *StreamError
	if !errors.As(context.Cause(ctx), &se) || se.Code != ErrCodeCancel || se.Initiator != InitiatorPeer || se.StreamID != 1 {
		t.Fatal(context.Cause(ctx))
	}
	p.request(3, true, "GET", "/")
	if context.Cause(ctx) != ErrHandlerReturned {
		t.Fatal(context.Cause(ctx))
	}
}

// TestConnectionGoneWhileParked: reader and writer are told, and the response is not taken for complete.
func TestConnectionGoneWhileParked(t *testing.T) {
	var readErr, writeErr error
	var wrote int
	p := newOpenPeer(t, Limits{}, HandlerFunc(func(w *Response, r *Request) {
		if r.Path == "/write" {
			wrote, writeErr = w.Write(make([]byte, 200000))
			return
		}
		_, readErr = io.ReadAll(r.Body)
	}))
	p.request(1, false, "POST", "/read")
	p.request(3, true, "GET", "/write")
	p.end()
	if !errors.Is(readErr, io.ErrUnexpectedEOF) {
		t.Error(readErr)
	}
	if writeErr == nil || wrote != 65535 {
		t.Error(wrote, writeErr)
	}
}

// TestFullDuplex: the answer to each part goes out before the next one comes in.
func TestFullDuplex(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(func(w *Response, r *Request) {
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			if err != nil {
				return
			}
			w.Write(bytes.ToUpper(buf[:n]))
			w.Flush()
		}
	}))
	defer p.end()
	p.request(1, false, "POST", "/")
	p.data(1, false, "one")
	p.want("HEADERS 1 :status=200")
	p.want(`DATA 1 "ONE"`)
	p.data(1, false, "two")
	p.want(`DATA 1 "TWO"`)
	p.data(1, true, "")
	p.want(`DATA 1 END_STREAM ""`)
}

// TestLargeEcho sends more than all windows and buffers through WriteTo, with a client that reads slowly.
func TestLargeEcho(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(testHandler))
	defer p.end()
	p.request(1, false, "POST", "/echo")
	part := strings.Repeat("abcdefgh", 1000)
	var want strings.Builder
	credit := 262144
	for i := 0; i < 300; i++ {
		if credit >= len(part) {
			credit -= len(part)
			want.WriteString(part)
			p.must(p.fr.WriteData(1, false, []byte(part)))
		}
		p.must(p.fr.WriteWindowUpdate(1, 5000))
		p.must(p.fr.WriteWindowUpdate(0, 5000))
		p.push()
		for _, f := range p.got {
			if strings.HasPrefix(f, "WINDOW_UPDATE 1 ") {
				credit += atoi(f[len("WINDOW_UPDATE 1 "):])
			}
		}
		p.got = nil
		if s := p.c.streams.get(1); s.body.size > 262144 || p.chunks > 18 {
			t.Fatalf("%d octets in %d chunks are held", s.body.size, p.chunks)
		}
	}
	p.must(p.fr.WriteWindowUpdate(1, 1<<30))
	p.must(p.fr.WriteWindowUpdate(0, 1<<30))
	p.data(1, true, "")
	if p.body[1] != want.String() {
		t.Fatalf("%d octets came back of %d", len(p.body[1]), want.Len())
	}
}

func atoi(s string) (n int) {
	for _, d := range s {
		n = n*10 + int(d-'0')
	}
	return n
}

// TestResponseFields: converted, replaced, refused.
func TestResponseFields(t *testing.T) {
	p := newOpenPeer(t, Limits{}, HandlerFunc(func(w *Response, r *Request) {
		w.Set("X-Upper", "1")
		w.Set("x-upper", "2")
		w.Add("x-more", "a")
		w.Add("x-more", "b")
		w.Set("Content-Length", "2")
		w.Set("date", "mine")
		w.SetStatus(299)
		w.WriteString("ok")
		if w.Flush(); w.Set("x", "y") != ErrHeadersSent || w.SetStatus(200) != ErrHeadersSent {
			panic("too late is not told")
		}
	}))
	defer p.end()
	p.pool.date = "now"
	p.request(1, true, "GET", "/")
	p.want("HEADERS 1 :status=299 content-length=2 x-upper=2 x-more=a x-more=b date=mine")
	p.want(`DATA 1 END_STREAM "ok"`)
	for _, f := range []Field{{"", "x"}, {"a b", "x"}, {":status", "200"}, {"x", "a\nb"}, {"x", " a"}, {"connection", "close"}, {"content-length", "x"}} {
		p := newOpenPeer(t, Limits{}, HandlerFunc(func(w *Response, r *Request) {
			if w.Set(f.Name, f.Value) == nil {
				panic("accepted")
			}
		}))
		p.request(1, true, "GET", "/")
		p.want("HEADERS 1 END_STREAM :status=500 content-length=0")
		if p.pool.metrics.HandlerPanics != 0 {
			t.Errorf("field %q is accepted", f)
		}
		p.end()
	}
}

// TestNoContentLength: "A server MUST NOT send a Content-Length header field in any response with a status code of ...
// 204 ... [or] in any 2xx (Successful) response to a CONNECT request" (RFC 9110 section 8.6), whenever it is sent.
func TestNoContentLength(t *testing.T) {
	for _, flush := range []bool{false, true} {
		p := newOpenPeer(t, Limits{}, HandlerFunc(func(w *Response, r *Request) {
			_ = w.SetContentLength(0)
			if r.Method == "GET" {
				w.WriteHeader(204)
			}
			if flush {
				_ = w.Flush()
			}
		}))
		p.request(1, true, "GET", "/")
		p.headers(3, true, ":method", "CONNECT", ":authority", "a:1")
		for _, frame := range p.got {
			if strings.Contains(frame, "content-length") {
				t.Errorf("flush %v: %s", flush, frame)
			}
		}
		p.end()
	}
}
