package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/percore/percore/h2"
)

// pattern is what /bytes sends, over and over. Its length is a prime number, so that a byte lost or doubled at any
// power of two shows.
var pattern = makePattern(65521)

func makePattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return p
}

// download sends n bytes as fast as the peer's windows allow; Write parks the task meanwhile.
func download(w *h2.Response, digits string) {
	n, ok := number(w, digits, bytesMax)
	if !ok {
		return
	}
	w.Set("content-type", "application/octet-stream")
	w.SetContentLength(n)
	for n > 0 {
		p := pattern[:min(n, int64(len(pattern)))]
		if _, err := w.Write(p); err != nil {
			return
		}
		n -= int64(len(p))
	}
}

// flusher sends every piece at once, which makes echo full duplex.
type flusher struct{ w *h2.Response }

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, f.w.Flush()
}

// echo sends the body back while it arrives, then its trailers.
func echo(w *h2.Response, r *h2.Request) {
	kind := r.Get("content-type")
	if kind == "" {
		kind = "application/octet-stream"
	}
	w.Set("content-type", kind)
	if r.ContentLength >= 0 {
		w.SetContentLength(r.ContentLength)
	}
	if w.Flush() != nil {
		return
	}
	if _, err := io.Copy(flusher{w}, r.Body); err != nil {
		return
	}
	for _, f := range r.Trailers() {
		w.Trailer(f.Name, f.Value)
	}
}

// trailers shows fields that are known only when the body is out.
func trailers(w *h2.Response) {
	const body = "the digest of this text follows it as a trailer field\n"
	sum := sha256.Sum256([]byte(body))
	w.Set("trailer", "x-sha256")
	text(w, body)
	w.Trailer("x-sha256", hex.EncodeToString(sum[:]))
}

// stream sends n lines, one every ms milliseconds; the task is parked in between.
func stream(w *h2.Response, r *h2.Request) {
	query, err := url.ParseQuery(r.Query())
	if err != nil {
		fail(w, 400, err.Error()+"\n")
		return
	}
	n, ok := number(w, or(query.Get("n"), "10"), streamMax)
	if !ok {
		return
	}
	ms, ok := number(w, or(query.Get("ms"), "100"), sleepMax.Milliseconds())
	if !ok {
		return
	}
	w.Set("content-type", "text/plain")
	for i := range n {
		if i > 0 && ms > 0 && r.Core().Sleep(time.Duration(ms)*time.Millisecond) != nil {
			return
		}
		if _, err := w.WriteString("line " + strconv.FormatInt(i+1, 10) + "\n"); err != nil || w.Flush() != nil {
			return
		}
	}
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
