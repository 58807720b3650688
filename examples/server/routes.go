package main

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/percore/percore/h2"
)

// Limits of what a path may ask for.
const (
	bytesMax  = 1 << 40
	sleepMax  = 10 * time.Minute
	streamMax = 1_000_000 // lines
)

// route runs as a task on the connection's core. The order is that of how often each is asked for.
func route(w *h2.Response, r *h2.Request) {
	switch path := r.RawPath(); path {
	case "/plaintext":
		text(w, "Hello, World!")
	case "/healthz":
		text(w, "ok\n")
	case "/echo":
		echo(w, r)
	case "/headers":
		headers(w, r)
	case "/trailers":
		trailers(w)
	case "/stream":
		stream(w, r)
	case "/panic":
		panic("asked for by GET /panic: it ends this stream and nothing else")
	default:
		if n, ok := strings.CutPrefix(path, "/bytes/"); ok {
			download(w, n)
		} else if ms, ok := strings.CutPrefix(path, "/sleep/"); ok {
			sleep(w, r, ms)
		} else {
			discard(r)
			fail(w, 404, "no such path; try /plaintext, /headers, /bytes/1000, /echo, /stream?n=5&ms=100\n")
		}
	}
}

// text answers with a short text. An error of a Response means that the peer is gone, which a handler that is
// done anyway need not know.
func text(w *h2.Response, s string) {
	w.Set("content-type", "text/plain")
	w.WriteString(s)
}

// discardMax is how much of a body that nobody wants is read, so that its sender sees the answer and no reset.
const discardMax = 64 << 10

func discard(r *h2.Request) {
	io.CopyN(io.Discard, r.Body, discardMax)
}

func fail(w *h2.Response, status int, message string) {
	w.SetStatus(status)
	text(w, message)
}

// number parses a number of a path or query within 0 and limit, and answers with 400 if it is none.
func number(w *h2.Response, s string, limit int64) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > limit {
		fail(w, 400, strconv.Quote(s)+" is not a number from 0 to "+strconv.FormatInt(limit, 10)+"\n")
		return 0, false
	}
	return n, true
}

func sleep(w *h2.Response, r *h2.Request, ms string) {
	n, ok := number(w, ms, sleepMax.Milliseconds())
	if ok && r.Core().Sleep(time.Duration(n)*time.Millisecond) == nil {
		text(w, "slept "+ms+" ms on core "+strconv.Itoa(r.Core().ID())+"\n")
	}
}

// headers shows the request as it arrived.
func headers(w *h2.Response, r *h2.Request) {
	shown := struct {
		Method    string              `json:"method"`
		Scheme    string              `json:"scheme"`
		Authority string              `json:"authority"`
		Path      string              `json:"path"`
		TLS       bool                `json:"tls"`
		Core      int                 `json:"core"`
		Fields    map[string][]string `json:"fields"`
	}{r.Method, r.Scheme, r.Authority, r.Path, r.TLS() != nil, r.Core().ID(), map[string][]string{}}
	for _, f := range r.Fields() {
		shown.Fields[f.Name] = append(shown.Fields[f.Name], f.Value)
	}
	p, err := json.MarshalIndent(shown, "", "  ")
	if err != nil {
		fail(w, 500, err.Error()+"\n")
		return
	}
	w.Set("content-type", "application/json")
	w.Write(append(p, '\n'))
}
