package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"

	"github.com/percore/percore/h2"
	"github.com/percore/percore/runtime"
)

// debugServer is an ordinary net/http server on ordinary goroutines: it answers also when a core is busy.
type debugServer struct {
	addr net.Addr
	http *http.Server
}

func listenDebug(s *server) (*debugServer, error) {
	ln, err := net.Listen("tcp", s.o.debugAddr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/vars", s.vars)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	d := &debugServer{addr: ln.Addr(), http: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}}
	go func() {
		if err := d.http.Serve(ln); err != http.ErrServerClosed {
			s.failed <- err
		}
	}()
	return d, nil
}

func (d *debugServer) close() error {
	if d == nil {
		return nil
	}
	return d.http.Close()
}

// vars answers in expvar's style: one JSON object.
func (s *server) vars(w http.ResponseWriter, r *http.Request) {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.Encode(struct {
		Cores      []coreruntime.CoreMetrics `json:"cores"`
		H2         h2.Metrics                `json:"h2"`
		Goroutines int                       `json:"goroutines"`
		HeapAlloc  uint64                    `json:"heapAlloc"`
		StackInuse uint64                    `json:"stackInuse"`
		HeapSys    uint64                    `json:"heapSys"`
		NumGC      uint32                    `json:"numGC"`
	}{s.rt.Metrics().Cores, s.h2.Metrics(), runtime.NumGoroutine(), mem.HeapAlloc, mem.StackInuse, mem.HeapSys, mem.NumGC})
}
