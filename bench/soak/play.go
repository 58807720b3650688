package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// kind is how a client behaves.
type kind int

const (
	polite    kind = iota // gets answers of all sizes over a connection it keeps
	uploader              // sends bodies and wants them back
	canceler              // goes away in the middle of answers
	churner               // a new connection for each request
	sleeper               // asks for answers that take a while, and for panics
	slow                  // reads a few bytes at a time, or not at all
	rude                  // sends half a greeting, rubbish, or a reset
	resetting             // opens streams and resets them at once
	kinds
)

func (k kind) String() string {
	return [kinds]string{"polite", "uploader", "canceler", "churner", "sleeper", "slow", "rude", "resetting"}[k]
}

// requestMax bounds every request: a server that hangs is a fault, not a soak that never ends.
const requestMax = 30 * time.Second

// play lets one client live its short life.
func (s *soak) play(rnd *rand.Rand, stop <-chan struct{}) {
	k := kind(rnd.IntN(int(kinds)))
	s.played[k].Add(1)
	switch k {
	case slow:
		s.playSlow(rnd, stop)
	case rude:
		s.playRude(rnd)
	case resetting:
		s.playResets(rnd)
	default:
		client, done := s.newClient(rnd.IntN(2) == 0)
		defer done()
		for range 1 + rnd.IntN(20) {
			if err := s.request(k, client, rnd); err != nil {
				s.fault(k, err)
				return
			}
			if k == churner {
				client.CloseIdleConnections()
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}
}

// client is an HTTP/2 client with the scheme and address it speaks to.
type client struct {
	*http2.Transport
	base string
}

// newClient returns a client and what closes its connections: all of them, for the transport keeps one on which it
// still waits for something, and the server would rightly keep it too.
func (s *soak) newClient(secure bool) (*client, func()) {
	t := &http2.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}, AllowHTTP: !secure}
	var mu sync.Mutex
	var conns []net.Conn
	left := false
	t.DialTLSContext = func(ctx context.Context, network, addr string, cfg *tls.Config) (nc net.Conn, err error) {
		if secure {
			nc, err = (&tls.Dialer{Config: cfg}).DialContext(ctx, network, addr)
		} else {
			nc, err = new(net.Dialer).DialContext(ctx, network, addr)
		}
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		if left { // the transport dials on its own goroutine
			nc.Close()
		}
		conns = append(conns, nc)
		return nc, nil
	}
	c := &client{t, "https://" + s.secure}
	if !secure {
		c.base = "http://" + s.clear
	}
	return c, func() {
		t.CloseIdleConnections()
		mu.Lock()
		defer mu.Unlock()
		left = true
		for _, nc := range conns {
			nc.Close()
		}
	}
}

func (s *soak) request(k kind, c *client, rnd *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestMax)
	defer cancel()
	var err error
	switch k {
	case polite, churner:
		err = c.get(ctx, 1<<rnd.IntN(19)+rnd.IntN(100))
	case uploader:
		err = c.echo(ctx, bytes.Repeat([]byte(patternText), rnd.IntN(1<<rnd.IntN(13))+1))
	case canceler:
		return c.cancel(ctx, rnd)
	case sleeper:
		if rnd.IntN(4) == 0 {
			return c.panics(ctx)
		}
		err = c.want(ctx, fmt.Sprint("/sleep/", rnd.IntN(50)), nil, []byte("slept"))
	}
	if err == nil {
		s.requests.Add(1)
	}
	return err
}

func (c *client) get(ctx context.Context, n int) error {
	body := strings.Repeat(patternText, n/len(patternText)+1)[:n]
	return c.want(ctx, fmt.Sprint("/bytes/", n), nil, []byte(body))
}

func (c *client) echo(ctx context.Context, body []byte) error {
	return c.want(ctx, "/echo", body, body)
}

// want sends a request and compares the whole answer.
func (c *client) want(ctx context.Context, path string, body, answer []byte) error {
	res, err := c.do(ctx, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s: after %d of %d bytes: %w", path, len(got), len(answer), err)
	}
	if res.StatusCode != http.StatusOK || !bytes.Equal(got, answer) {
		return fmt.Errorf("%s: status %d and %d bytes that are not the %d expected", path, res.StatusCode, len(got), len(answer))
	}
	return nil
}

func (c *client) do(ctx context.Context, path string, body []byte) (*http.Response, error) {
	method, from := http.MethodGet, io.Reader(nil)
	if body != nil {
		method, from = http.MethodPost, bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, from)
	if err != nil {
		return nil, err
	}
	return c.RoundTrip(req)
}

// cancel reads a part of a long answer and goes: the transport resets the stream.
func (c *client) cancel(ctx context.Context, rnd *rand.Rand) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	res, err := c.do(ctx, "/bytes/10000000", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.CopyN(io.Discard, res.Body, int64(rnd.IntN(100_000)))
	return err
}

// panics wants its stream ended, by a status or a reset, and nothing else harmed.
func (c *client) panics(ctx context.Context) error {
	res, err := c.do(ctx, "/panic", nil)
	if err == nil {
		defer res.Body.Close()
		if res.StatusCode < 500 {
			return fmt.Errorf("/panic was answered with %d", res.StatusCode)
		}
		return nil
	}
	if se := (http2.StreamError{}); !errors.As(err, &se) {
		return fmt.Errorf("/panic: %w", err)
	}
	return nil
}
