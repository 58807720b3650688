package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/percore/percore/bench/internal/measure"
)

func main() {
	if role, args := measure.Role(); role == "server" && len(args) == 1 {
		if err := serve(args[0]); err != nil {
			fmt.Fprintln(os.Stderr, "bench/soak, server:", err)
			os.Exit(1)
		}
		return
	}
	length := flag.Duration("for", 2*time.Minute, "how long, at least 10s")
	rounds := flag.Int("rounds", 6, "rounds of load; memory is compared between their ends")
	driver := flag.String("driver", "auto", "percore's driver: auto, uring or epoll")
	clients := flag.Int("clients", 48, "clients at work at a time")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "what the clients' choices come from")
	flag.Parse()
	if *length < 10*time.Second || *rounds < 3 || *clients < 8 || *clients > 4096 {
		fmt.Fprintln(os.Stderr, "bench/soak: -for at least 10s, -rounds at least 3, -clients 8 to 4096")
		os.Exit(2)
	}
	fmt.Printf("soak: %v in %d rounds, %d clients, driver %s, -seed %d\n", *length, *rounds, *clients, *driver, *seed)
	s := &soak{length: *length, rounds: *rounds, clients: *clients, seed: *seed}
	if err := s.run(*driver); err != nil {
		fmt.Fprintln(os.Stderr, "bench/soak:", err)
		os.Exit(1)
	}
	if !s.judge() {
		os.Exit(1)
	}
}
