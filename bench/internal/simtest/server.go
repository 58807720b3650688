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

// handle serves what the plans ask for.
func handle(w *h2.Response, r *h2.Request) {
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
	case "/panic/":
		panic("the plan asked for it")
	default:
		io.Copy(w, r.Body)
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

func clientTLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, CurvePreferences: []tls.CurveID{tls.X25519}}
}
