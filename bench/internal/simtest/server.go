package simtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/percore/percore/h2"
)

// patternText is what bodies repeat: 63 bytes, no power of two.
const patternText = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-"

// patternAt is byte i of every body.
func patternAt(i int) byte { return patternText[i%len(patternText)] }

// handle serves what the plans ask for, and counts what runs at once for each client.
func (p *play) handle(w *h2.Response, r *h2.Request) {
	id, _ := strconv.Atoi(r.Get("x-client"))
	p.handled++
	if p.running[id]++; p.running[id] > p.plan.limits.StreamsMax {
		p.fault("client %d has %d handlers, the limit is %d", id, p.running[id], p.plan.limits.StreamsMax)
	}
	defer func() { p.running[id]-- }()
	serve(w, r)
}

func serve(w *h2.Response, r *h2.Request) {
	dir, last := path.Split(r.RawPath())
	n, _ := strconv.Atoi(last)
	w.Set("x-path", r.Path)
	switch dir {
	case "/bytes/":
		w.SetContentLength(int64(n))
		for off := 0; off < n; {
			k := min(n-off, len(patternText))
			if _, err := io.WriteString(w, patternText[:k]); err != nil {
				return
			}
			off += k
		}
	case "/lines/":
		for i := range n {
			if _, err := fmt.Fprintf(w, "line %d\n", i); err != nil || w.Flush() != nil {
				return
			}
			if r.Core().Yield() != nil {
				return
			}
		}
		w.Trailer("x-lines", last)
	case "/sleep/":
		if r.Core().Sleep(time.Duration(n)*time.Millisecond) == nil {
			w.WriteString("slept")
		}
	case "/early/":
		w.WriteString("early")
	case "/fields/":
		for i := range n {
			w.Set(fieldName(i), patternText)
		}
	case "/spoil/":
		spoilAnswer(w, r, n)
	case "/panic/":
		panic("the plan asked for it")
	default:
		io.Copy(w, r.Body)
		for _, f := range r.Trailers() {
			w.Trailer(f.Name, f.Value)
		}
	}
}

func fieldName(i int) string { return "x-field-" + strconv.Itoa(i) }

// spoilText is what a spoiled answer begins with.
const spoilText = "spoil"

const spoilKinds = 3

// spoilAnswer begins an answer that cannot become whole. (Goexit would end the goroutine that plays, too.)
func spoilAnswer(w *h2.Response, r *h2.Request, kind int) {
	if kind == 1 {
		w.SetContentLength(100)
	}
	w.WriteString(spoilText)
	w.Flush()
	switch kind {
	case 0:
		panic("the plan asked for it")
	case 2:
		r.Core().Yield()
		panic("the plan asked for it, later")
	}
}

// quiet keeps the panics that plans ask for out of the output.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// certificate is of a key whose signatures all have the same length, so that records do, too.
var certificate = sync.OnceValue(func() tls.Certificate {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), DNSNames: []string{"sim"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
})

func serverTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate()}, CurvePreferences: []tls.CurveID{tls.X25519}}
}

func clientTLS(most uint16) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MaxVersion: most, NextProtos: []string{"h2"}, CurvePreferences: []tls.CurveID{tls.X25519}}
}
