package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Clients without manners. Nothing that happens to them is a fault: what counts is what the server holds when they
// are gone.

const rudeMax = 5 * time.Second

func (s *soak) dial(rnd *rand.Rand) (net.Conn, error) {
	d := &net.Dialer{Timeout: rudeMax}
	var nc net.Conn
	var err error
	if rnd.IntN(2) == 0 {
		nc, err = d.Dial("tcp", s.clear)
	} else {
		nc, err = tls.DialWithDialer(d, "tcp", s.secure, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	}
	if err == nil {
		err = nc.SetDeadline(time.Now().Add(rudeMax))
	}
	return nc, err
}

// ask writes the preface and n requests for path.
func ask(nc net.Conn, n int, path string) (*http2.Framer, error) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	fr := http2.NewFramer(nc, nc)
	if _, err := io.WriteString(nc, http2.ClientPreface); err != nil {
		return nil, err
	}
	err := fr.WriteSettings()
	for i := 0; i < n && err == nil; i++ {
		block.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "soak"}, {":path", path}} {
			enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		err = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	}
	return fr, err
}

// playSlow asks for much and reads little, until the server has enough of it or the round ends.
func (s *soak) playSlow(rnd *rand.Rand, stop <-chan struct{}) {
	nc, err := s.dial(rnd)
	if err != nil {
		return
	}
	defer nc.Close()
	if _, err := ask(nc, 1+rnd.IntN(50), "/bytes/1000000"); err != nil {
		return
	}
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	buf := make([]byte, 1+rnd.IntN(2000))
	for range rnd.IntN(100) {
		if _, err := nc.Read(buf); err != nil {
			return
		}
		select {
		case <-stop:
			return
		case <-pause.C:
		}
	}
}

// playRude leaves in the middle of everything.
func (s *soak) playRude(rnd *rand.Rand) {
	address := s.clear
	if rnd.IntN(2) == 0 {
		address = s.secure
	}
	nc, err := net.DialTimeout("tcp", address, rudeMax)
	if err != nil {
		return
	}
	defer nc.Close()
	rubbish := make([]byte, rnd.IntN(3000))
	for i := range rubbish {
		rubbish[i] = byte(rnd.Uint32())
	}
	greeting := []byte(http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	if address == s.secure {
		greeting = []byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}
	}
	switch rnd.IntN(4) {
	case 0:
		greeting = greeting[:rnd.IntN(len(greeting))]
	case 1:
		greeting = rubbish
	case 2:
		greeting = append(greeting, rubbish...)
	}
	if _, err := nc.Write(greeting); err != nil {
		return
	}
	if rnd.IntN(2) == 0 {
		nc.(*net.TCPConn).SetLinger(0) // a reset instead of an end
	}
}

// playResets opens streams and takes them back at once (CVE-2023-44487).
func (s *soak) playResets(rnd *rand.Rand) {
	nc, err := s.dial(rnd)
	if err != nil {
		return
	}
	defer nc.Close()
	go io.Copy(io.Discard, nc) // ends with the connection
	fr, err := ask(nc, 0, "")
	if err != nil {
		return
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for i := range rnd.IntN(500) {
		block.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "soak"}, {":path", "/sleep/1000"}} {
			enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		id := uint32(2*i + 1)
		if fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}) != nil ||
			fr.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			return
		}
	}
}
