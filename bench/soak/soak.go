package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/percore/percore/bench/internal/measure"
)

// soak is one run: the server, the clients' tallies, and what the server held after each round.
type soak struct {
	length  time.Duration
	rounds  int
	clients int
	seed    uint64

	server        *measure.Process
	clear, secure string
	quiet         []usage // [0]: before any load, then after each round
	played        [kinds]atomic.Uint64
	requests      atomic.Uint64 // answered, right and whole
	faults        atomic.Uint64 // wrong or missing answers
	mu            sync.Mutex
	first         []string // of the faults
}

func (s *soak) run(driver string) (err error) {
	if s.server, err = measure.Self(-1, "server", driver); err != nil {
		return err
	}
	defer s.server.Stop()
	line, err := s.server.Line()
	if err != nil {
		return err
	}
	at := strings.Fields(line)
	s.clear, s.secure = at[0], at[1]
	fmt.Printf("server on %s: cleartext %s, TLS %s\n", at[2], s.clear, s.secure)
	if err := s.measure(); err != nil {
		return err
	}
	begin := time.Now()
	for round := range s.rounds {
		if err := s.round(begin, round); err != nil {
			return err
		}
	}
	return nil
}

// round loads the server, lets the clients leave, and takes stock.
func (s *soak) round(begin time.Time, round int) error {
	end := begin.Add(s.length * time.Duration(round+1) / time.Duration(s.rounds))
	var group sync.WaitGroup
	stop := make(chan struct{})
	for i := range s.clients {
		rnd := rand.New(rand.NewPCG(s.seed, uint64(round*s.clients+i)))
		group.Go(func() {
			for time.Now().Before(end) {
				s.play(rnd, stop)
			}
		})
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for time.Now().Before(end) {
		<-tick.C
		if err := s.progress(begin, round); err != nil {
			return err
		}
	}
	close(stop)
	group.Wait()
	return s.measure()
}

func (s *soak) progress(begin time.Time, round int) error {
	u, err := s.ask("now")
	if err != nil {
		return err
	}
	fmt.Printf("%4.0fs round %d/%d: %d answers, %d faults; server: %d connections, %d streams, %d tasks, heap %.1f MB, rss %.1f MB\n",
		time.Since(begin).Seconds(), round+1, s.rounds, s.requests.Load(), s.faults.Load(), u.Conns, u.Streams, u.Tasks, mega(u.Heap), mega(u.RSS))
	return nil
}

func mega(n uint64) float64 { return float64(n) / (1 << 20) }

func (s *soak) measure() error {
	u, err := s.ask("quiet")
	if err == nil {
		s.quiet = append(s.quiet, u)
	}
	return err
}

func (s *soak) ask(what string) (u usage, err error) {
	line, err := s.server.Ask(what)
	if err != nil {
		return u, fmt.Errorf("the server died or hangs: %w", err)
	}
	return u, json.Unmarshal([]byte(line), &u)
}

// fault notes an answer that is not what it must be.
func (s *soak) fault(kind kind, err error) {
	s.faults.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.first) < 10 {
		s.first = append(s.first, fmt.Sprintf("%v: %v", kind, err))
	}
}
