package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/percore/percore/bench/internal/measure"
)

// load is one way to ask.
type load struct {
	name     string
	tls      bool
	streams  int     // per connection
	share    int     // one in share of the requests: fewer streams take longer
	target   float64 // nghttpd / percore, at least
	requests int
}

// result is a line of the table.
type result struct {
	Load            string
	Requests        int
	Percore, Nghttp measure.Figure // µs of server CPU per request
	Ratio           measure.Figure // nghttpd / percore, pair by pair
	Target          float64
}

func main() {
	pairs := flag.Int("pairs", 7, "interleaved pairs per load")
	requests := flag.Int("requests", 400_000, "requests per run with 32 streams; a quarter of it with 1 stream")
	conns := flag.Int("conns", 32, "connections")
	driver := flag.String("driver", "auto", "percore's driver: auto, uring or epoll")
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	flag.Parse()
	if *pairs < 1 || *requests < 1000 || *conns < 1 {
		fmt.Fprintln(os.Stderr, "bench/h2: -pairs and -conns must be at least 1, -requests at least 1000")
		os.Exit(2)
	}
	results, err := run(*pairs, *requests, *conns, *driver)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/h2:", err)
		os.Exit(1)
	}
	if *asJSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		out.Encode(results)
		return
	}
	show(results, *pairs, *conns)
}

func run(pairs, requests, conns int, driver string) (results []result, err error) {
	w, err := open(driver, conns)
	if err != nil {
		return nil, err
	}
	defer w.close()
	for _, l := range []load{
		{"cleartext, 32 streams", false, 32, 1, 2.0, 0}, {"TLS, 32 streams", true, 32, 1, 2.2, 0},
		{"cleartext, 1 stream", false, 1, 4, 1.0, 0}, {"TLS, 1 stream", true, 1, 4, 1.0, 0},
	} {
		l.requests = max(requests/l.share, 1000)
		r, err := w.compare(l, pairs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

func (w *world) compare(l load, pairs int) (result, error) {
	warm := l
	warm.requests = max(l.requests/10, 1000)
	for _, s := range []*contender{w.percore, w.nghttpd} {
		if _, err := w.cost(s, warm); err != nil {
			return result{}, err
		}
	}
	var p measure.Pair
	err := p.Run(pairs,
		func() (float64, error) { return w.cost(w.percore, l) },
		func() (float64, error) { return w.cost(w.nghttpd, l) })
	if err != nil {
		return result{}, err
	}
	return result{l.name, l.requests, measure.Summarize(p.A), measure.Summarize(p.B), p.Ratio(), l.target}, nil
}

// cost is the server CPU per request of one run of h2load, in µs.
func (w *world) cost(s *contender, l load) (float64, error) {
	e := s.endpoint(l.tls)
	before, err := measure.CPU(e.process.PID())
	if err != nil {
		return 0, err
	}
	if err := w.h2load(e, l); err != nil {
		return 0, err
	}
	after, err := measure.CPU(e.process.PID())
	return float64(after-before) / float64(time.Microsecond) / float64(l.requests), err
}

func show(results []result, pairs, conns int) {
	fmt.Printf("server CPU per request in µs, %d connections, median of %d pairs [smallest-largest]\n\n", conns, pairs)
	fmt.Printf("%-22s %-20s %-20s %-24s %s\n", "load", "percore", "nghttpd", "nghttpd / percore", "wanted")
	for _, r := range results {
		verdict := "met"
		if r.Ratio.Median < r.Target {
			verdict = "MISSED"
		}
		fmt.Printf("%-22s %-20s %-20s %-24s >= %.1f: %s\n", r.Load, r.Percore, r.Nghttp, r.Ratio, r.Target, verdict)
	}
}
