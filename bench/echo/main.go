package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/percore/percore/bench/internal/measure"
)

// target is the part of the goroutine echo's CPU that percore may use at most, turned over.
const target = 1.4

// result is what one run comes to.
type result struct {
	Conns, Size, Echoes int
	// µs of server CPU per echo: percore and net run the same io.Copy(conn, conn), loop is net with a
	// hand-written loop of Read and Write.
	Percore, Net, Loop measure.Figure
	Ratio, LoopRatio   measure.Figure // net / percore and loop / percore, pair by pair
}

func main() {
	if role, args := measure.Role(); role != "" {
		if err := play(role, args); err != nil {
			fmt.Fprintln(os.Stderr, "bench/echo,", role+":", err)
			os.Exit(1)
		}
		return
	}
	conns := flag.Int("conns", 512, "connections")
	size := flag.Int("size", 64, "bytes of a message")
	echoes := flag.Int("echoes", 400_000, "echoes per run")
	pairs := flag.Int("pairs", 7, "interleaved pairs")
	driver := flag.String("driver", "auto", "percore's driver: auto, uring or epoll")
	asJSON := flag.Bool("json", false, "print JSON instead of text")
	flag.Parse()
	if *conns < 1 || *conns > 10_000 || *size < 1 || *size > 4096 || *echoes < *conns || *pairs < 1 {
		fmt.Fprintln(os.Stderr, "bench/echo: -conns 1 to 10000, -size 1 to 4096, -echoes at least -conns, -pairs at least 1")
		os.Exit(2)
	}
	r := result{Conns: *conns, Size: *size, Echoes: *echoes}
	if err := r.run(*pairs, *driver); err != nil {
		fmt.Fprintln(os.Stderr, "bench/echo:", err)
		os.Exit(1)
	}
	if *asJSON {
		json.NewEncoder(os.Stdout).Encode(r)
		return
	}
	verdict := "met"
	if r.Ratio.Median < target {
		verdict = "MISSED"
	}
	fmt.Printf("server CPU per echo of %d bytes on %d connections in µs, median of %d pairs [smallest-largest]\n\n", r.Size, r.Conns, *pairs)
	fmt.Printf("percore, a task per connection: io.Copy(conn, conn)      %s\n", r.Percore)
	fmt.Printf("net, a goroutine per connection: the same io.Copy        %s\n", r.Net)
	fmt.Printf("net, a goroutine per connection: a Read and Write loop   %s\n", r.Loop)
	fmt.Printf("net / percore, the same code                             %s, wanted >= %.1f: %s\n", r.Ratio, target, verdict)
	fmt.Printf("net / percore, the loop                                  %s\n", r.LoopRatio)
}

func (r *result) run(pairs int, driver string) error {
	serverCPU, loadCPU, err := measure.CPUs()
	if err != nil {
		return err
	}
	costs := make([]func() (float64, error), 0, 3)
	for _, role := range []string{"percore", "net", "loop"} {
		server, err := measure.Self(serverCPU, role, driver)
		if err != nil {
			return err
		}
		defer server.Stop()
		addr, err := server.Line()
		if err != nil {
			return err
		}
		load, err := measure.Self(loadCPU, "load", addr, strconv.Itoa(r.Conns), strconv.Itoa(r.Size))
		if err != nil {
			return err
		}
		defer load.Stop()
		costs = append(costs, func() (float64, error) { return r.cost(server, load) })
		for range 2 { // warm up
			if _, err := costs[len(costs)-1](); err != nil {
				return err
			}
		}
	}
	var same, loop measure.Pair
	if err := same.Run(pairs, costs[0], costs[1]); err != nil {
		return err
	}
	if err := loop.Run(pairs, costs[0], costs[2]); err != nil {
		return err
	}
	r.Percore = measure.Summarize(append(same.A, loop.A...))
	r.Net, r.Ratio = measure.Summarize(same.B), same.Ratio()
	r.Loop, r.LoopRatio = measure.Summarize(loop.B), loop.Ratio()
	return nil
}

// cost is the server CPU per echo of one run, in µs.
func (r *result) cost(server, load *measure.Process) (float64, error) {
	before, err := measure.CPU(server.PID())
	if err != nil {
		return 0, err
	}
	if _, err := load.Ask(strconv.Itoa(r.Echoes)); err != nil {
		return 0, err
	}
	after, err := measure.CPU(server.PID())
	return float64(after-before) / float64(time.Microsecond) / float64(r.Echoes), err
}
