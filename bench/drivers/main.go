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
	// EpollBatch and UringBatch are the completions that one system call of Wait brought.
	EpollBatch, UringBatch float64
	// EpollUser and UringUser are the µs of the medians that were spent outside the kernel.
	EpollUser, UringUser float64
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
	fmt.Printf("%-18s %-18s %-18s %-18s %-18s %-18s %s\n", "load", "by hand, epoll", "percore, epoll", "percore, uring", "epoll / by hand", "uring / epoll", "completions a call, epoll and uring")
	for _, r := range rows {
		hand, over := "", ""
		if r.Hand.Median > 0 {
			hand, over = r.Hand.String(), r.OverHand.String()
		}
		fmt.Printf("%-18s %-18s %-18s %-18s %-18s %-18s %.1f %.1f\n", r.Load, hand, r.Epoll, r.Uring, over, r.UringShare, r.EpollBatch, r.UringBatch)
	}
	fmt.Println()
	for _, r := range rows {
		if r.Hand.Median > 0 {
			fmt.Printf("%-18s percore on epoll costs %.2f of the loop by hand, wanted <= %.2f: %s\n", r.Load, r.OverHand.Median, handMax, met(r.OverHand.Median <= handMax))
		}
	}
	for _, r := range rows {
		if r.UringShare.Min > 1 {
			fmt.Printf("%-18s io_uring costs more: %s\n", r.Load, why(r))
		}
	}
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "MISSED"
}

// fewPerCall is a batch so short that a ring saves no system call: on epoll such a turn has one wait and one read.
const fewPerCall = 3

// why says where a load's cost lies that io_uring does not help, from what was counted beside it.
func why(r row) string {
	kernel := (r.Uring.Median - r.UringUser) - (r.Epoll.Median - r.EpollUser)
	where := fmt.Sprintf("%+.2f µs in the kernel (task work, completions, buffers instead of epoll_wait and read), %+.2f µs in percore; "+
		"both pay the same send, which is most of the whole", kernel, r.UringUser-r.EpollUser)
	if r.UringBatch < fewPerCall {
		where += fmt.Sprintf("; %.1f completions an enter leave nothing to save by batching", r.UringBatch)
	} else if r.UringBatch < r.EpollBatch/2 {
		where += fmt.Sprintf("; Linux 6.13 and newer hand over about 20 completions an enter (%.1f here), epoll_wait all (%.1f)", r.UringBatch, r.EpollBatch)
	}
	return where
}
