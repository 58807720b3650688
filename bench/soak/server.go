package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/percore/percore/bench/internal/measure"
	"github.com/percore/percore/h2"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// usage is what the server holds, taken when nobody is connected.
type usage struct {
	Heap, Stack, Mapped, RSS                         uint64
	Goroutines, FDs                                  int
	Tasks, Ops, Residents, Lent, ChunkBytes, Starved int
	Conns, Streams                                   uint64
	Requests, ResetsIn, Panics, Forgotten            uint64
}

// limits are small, so that a soak of minutes reaches them.
func limits() h2.Limits {
	return h2.Limits{StreamsMax: 100, WriteStallMax: 2 * time.Second}
}

// serve is the child: it prints the addresses of both ports and then one usage for each line that comes in.
func serve(driver string) error {
	mode, err := coreruntime.ParseDriverMode(driver)
	if err != nil {
		return err
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil)) // handlers panic on purpose
	rt, err := coreruntime.Start(context.Background(), coreruntime.Config{Driver: mode, Logger: quiet, Buffers: 64, BuffersMax: 512})
	if err != nil {
		return err
	}
	lc := corenet.ListenConfig{Conn: corenet.ConnConfig{WriteStallMax: limits().WriteStallMax, LingerMax: time.Second}}
	clear, err := lc.Listen(rt, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	secure, err := lc.Listen(rt, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	cert, err := certificate()
	if err != nil {
		return err
	}
	srv := &h2.Server{Runtime: rt, Handler: h2.HandlerFunc(handle), Limits: limits(), Logger: quiet}
	failed := make(chan error, 2)
	go func() { failed <- srv.Serve(clear) }()
	go func() { failed <- srv.ServeTLS(secure, &tls.Config{Certificates: []tls.Certificate{cert}}) }()
	go answer(rt, srv)
	fmt.Println(clear.Addr(), secure.Addr(), rt.Info().Driver)
	return <-failed
}

func certificate() (tls.Certificate, error) {
	dir, err := os.MkdirTemp("", "percore-soak")
	if err != nil {
		return tls.Certificate{}, err
	}
	defer os.RemoveAll(dir)
	certFile, keyFile, err := measure.WriteCert(dir)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.LoadX509KeyPair(certFile, keyFile)
}

// handle serves /bytes/N, /echo, /sleep/MS, /panic and /.
func handle(w *h2.Response, r *h2.Request) {
	dir, last := path.Split(r.RawPath())
	n, _ := strconv.Atoi(last)
	switch {
	case dir == "/bytes/":
		w.SetContentLength(int64(n))
		for ; n > 0; n -= min(n, len(patternText)) {
			if _, err := io.WriteString(w, patternText[:min(n, len(patternText))]); err != nil {
				return
			}
		}
	case dir == "/sleep/":
		if r.Core().Sleep(time.Duration(n)*time.Millisecond) == nil {
			w.WriteString("slept")
		}
	case last == "echo":
		io.Copy(w, r.Body)
	case last == "panic":
		panic("the soak asked for it")
	default:
		w.WriteString("Hello, World!")
	}
}

// patternText is what /bytes repeats.
const patternText = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-" // 63: no power of two

// answer reports usage for each line, and ends the process with its parent.
func answer(rt *coreruntime.Runtime, srv *h2.Server) {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "quiet" {
			awaitQuiet(rt)
		}
		json.NewEncoder(os.Stdout).Encode(take(rt, srv, in.Text() == "quiet"))
	}
	os.Exit(0)
}

// quietMax bounds the wait for what the last clients have left behind: half-open connections, stalled streams.
const quietMax = 30 * time.Second

// awaitQuiet waits until only the listeners are left.
func awaitQuiet(rt *coreruntime.Runtime) {
	for end := time.Now().Add(quietMax); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		busy := 0
		for _, c := range rt.Metrics().Cores {
			busy += c.Tasks + c.Residents - 2
		}
		if busy == 0 {
			return
		}
	}
}

func take(rt *coreruntime.Runtime, srv *h2.Server, collect bool) (u usage) {
	if collect {
		runtime.GC()
		debug.FreeOSMemory() // the rss to compare is not what the scavenger has not got to yet
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u = usage{Heap: m.HeapAlloc, Stack: m.StackInuse, RSS: measure.RSS(), Goroutines: runtime.NumGoroutine(), FDs: descriptors()}
	for _, c := range rt.Metrics().Cores {
		u.Mapped += c.Driver.MappedBytes
		u.Forgotten += c.Driver.Forgotten
		u.Tasks += c.Tasks
		u.Ops += c.Ops
		u.Residents += c.Residents
		u.Lent += c.BuffersLent
		u.ChunkBytes += c.ChunkBytes
		u.Starved += c.StarvedReceives
	}
	s := srv.Metrics()
	u.Conns, u.Streams, u.Requests = s.ConnsOpen, s.StreamsOpen, s.Requests
	u.ResetsIn, u.Panics = s.ResetsIn.Total(), s.HandlerPanics
	return u
}

func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	n := 0
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasSuffix(to, "/fd") {
			n++
		}
	}
	return n
}
