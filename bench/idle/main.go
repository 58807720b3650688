package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"

	"github.com/percore/percore/bench/internal/measure"
)

// kind is a sort of connection with its budget in bytes.
type kind struct {
	name, role string
	budget     float64
}

// usage is what a server says of itself.
type usage struct {
	Heap, Stack, Mapped, RSS uint64
	Goroutines               int
}

func (u usage) user() float64 { return float64(u.Heap + u.Stack + u.Mapped) }

// row is a line of the table: bytes per connection.
type row struct {
	Kind              string
	Conns             int
	User, RSS, Budget float64
	Goroutines        int // more than without connections
}

func main() {
	if role, args := measure.Role(); role != "" {
		if err := play(role, args); err != nil {
			fmt.Fprintln(os.Stderr, "bench/idle,", role+":", err)
			os.Exit(1)
		}
		return
	}
	conns := flag.Int("conns", 5000, "idle connections of each kind")
	driver := flag.String("driver", "auto", "percore's driver: auto, uring or epoll")
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	flag.Parse()
	if *conns < 100 || *conns > 25_000 {
		fmt.Fprintln(os.Stderr, "bench/idle: -conns 100 to 25000 (one loopback address has no more ports)")
		os.Exit(2)
	}
	var rows []row
	for _, k := range []kind{{"h2 in cleartext", "h2", 4 << 10}, {"h2 over TLS 1.3", "tls", 16 << 10}, {"echo task", "echo", 8 << 10}} {
		r, err := k.measure(*conns, *driver)
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench/idle: %s: %v\n", k.name, err)
			os.Exit(1)
		}
		rows = append(rows, r)
	}
	if *asJSON {
		json.NewEncoder(os.Stdout).Encode(rows)
		return
	}
	fmt.Printf("user bytes per idle connection, %d connections served once, after two collections\n\n", *conns)
	fmt.Printf("%-18s %10s %10s %12s\n", "connection", "user", "budget", "RSS grew by")
	for _, r := range rows {
		verdict := "kept"
		if r.User > r.Budget {
			verdict = "MISSED"
		}
		fmt.Printf("%-18s %10.0f %10.0f %12.0f   %s\n", r.Kind, r.User, r.Budget, r.RSS, verdict)
	}
}

func (k kind) measure(conns int, driver string) (row, error) {
	server, err := measure.Self(-1, k.role, driver)
	if err != nil {
		return row{}, err
	}
	defer server.Stop()
	addr, err := server.Line()
	if err != nil {
		return row{}, err
	}
	// A first hundred connections fill the pools that are there anyway.
	warm, err := clients(k.role, addr, 100)
	if err != nil {
		return row{}, err
	}
	before, err := ask(server)
	if err != nil {
		return row{}, err
	}
	defer warm.Stop()
	many, err := clients(k.role, addr, conns)
	if err != nil {
		return row{}, err
	}
	defer many.Stop()
	after, err := ask(server)
	if err != nil {
		return row{}, err
	}
	n := float64(conns)
	return row{k.name, conns, (after.user() - before.user()) / n, (float64(after.RSS) - float64(before.RSS)) / n, k.budget,
		after.Goroutines - before.Goroutines}, nil
}

func clients(role, addr string, conns int) (*measure.Process, error) {
	p, err := measure.Self(-1, "clients", role, addr, strconv.Itoa(conns))
	if err != nil {
		return nil, err
	}
	if _, err := p.Line(); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func ask(server *measure.Process) (u usage, err error) {
	line, err := server.Ask("measure")
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal([]byte(line), &u)
}
