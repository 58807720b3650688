package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/percore/percore/bench/internal/measure"
)

// handMax is how much more than the loop by hand percore's epoll may cost.
const handMax = 1.10

// row is a line of the table; figures are µs of server CPU per echo or request.
type row struct {
	Load         string
	Hand         measure.Figure `json:",omitzero"`
	Epoll, Uring measure.Figure
	OverHand     measure.Figure `json:",omitzero"` // epoll / by hand, pair by pair
	UringShare   measure.Figure // uring / epoll, pair by pair
}

func main() {
	if role, args := measure.Role(); role != "" {
		if err := play(role, args); err != nil {
			fmt.Fprintln(os.Stderr, "bench/drivers,", role+":", err)
			os.Exit(1)
		}
		return
	}
	pairs := flag.Int("pairs", 7, "interleaved pairs per load")
	count := flag.Int("count", 200_000, "echoes or requests per run")
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	only := flag.String("only", "", `"echo" or "h2": that half of the table`)
	flag.Parse()
	if *pairs < 1 || *count < 10_000 {
		fmt.Fprintln(os.Stderr, "bench/drivers: -pairs at least 1, -count at least 10000")
		os.Exit(2)
	}
	rows, err := run(*pairs, *count, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/drivers:", err)
		os.Exit(1)
	}
	if *asJSON {
		json.NewEncoder(os.Stdout).Encode(rows)
		return
	}
	show(rows, *pairs)
}

func run(pairs, count int, only string) (rows []row, err error) {
	w := world{pairs: pairs, count: count}
	defer w.close()
	if w.serverCPU, w.loadCPU, err = measure.CPUs(); err != nil {
		return nil, err
	}
	if only != "h2" {
		for _, conns := range []int{8, 64, 512} {
			r, err := w.echoes(conns)
			if err != nil {
				return nil, err
			}
			rows = append(rows, r)
		}
	}
	if only != "echo" {
		for _, shape := range [][2]int{{32, 1}, {32, 32}, {512, 1}} {
			r, err := w.requests(shape[0], shape[1])
			if err != nil {
				return nil, err
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func show(rows []row, pairs int) {
	fmt.Printf("server CPU per echo or request in µs, one core, median of %d pairs [smallest-largest]\n\n", pairs)
	fmt.Printf("%-22s %-18s %-18s %-18s %-18s %s\n", "load", "by hand, epoll", "percore, epoll", "percore, uring", "epoll / by hand", "uring / epoll")
	for _, r := range rows {
		hand, over := "", ""
		if r.Hand.Median > 0 {
			hand, over = r.Hand.String(), r.OverHand.String()
		}
		fmt.Printf("%-22s %-18s %-18s %-18s %-18s %s\n", r.Load, hand, r.Epoll, r.Uring, over, r.UringShare)
	}
	fmt.Println()
	for _, r := range rows {
		if r.Hand.Median > 0 {
			fmt.Printf("%-22s percore on epoll costs %.2f of the loop by hand, wanted <= %.2f: %s\n", r.Load, r.OverHand.Median, handMax, met(r.OverHand.Median <= handMax))
		}
	}
	for _, r := range rows {
		if r.UringShare.Min > 1 {
			fmt.Printf("%-22s io_uring costs more: %s\n", r.Load, why(r))
		}
	}
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "MISSED"
}

// why says what is known of loads that io_uring does not help.
func why(row) string {
	return "with few connections each turn brings one or two completions, so there is nothing to batch: " +
		"every message costs one enter, which is dearer than epoll_wait plus read by the ring's bookkeeping, task work and poll wake-up"
}
