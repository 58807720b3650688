package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/percore/percore/bench/internal/measure"
)

// counts are a server's totals: system calls that submit or wait, the completions they brought, and where its CPU
// time went.
type counts struct {
	Enters, Completed uint64
	user, kernel      time.Duration
}

// batch is how many completions one system call brings.
func (c counts) batch() float64 { return float64(c.Completed) / float64(max(c.Enters, 1)) }

// userShare is the part of the server's CPU time that was its own.
func (c counts) userShare() float64 {
	return float64(c.user) / float64(max(c.user+c.kernel, 1))
}

// ask lets a server tell its counts so far.
func ask(server *measure.Process) (c counts, err error) {
	line, err := server.Ask("counts")
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal([]byte(line), &c); err != nil {
		return c, err
	}
	c.user, c.kernel, err = measure.Split(server.PID())
	return c, err
}

// world holds what is the same for all rows.
type world struct {
	serverCPU, loadCPU int
	pairs, count       int
	processes          []*measure.Process
}

func (w *world) close() {
	for _, p := range w.processes {
		p.Stop()
	}
	w.processes = nil
}

// cost is one run's server CPU per message, in µs.
type cost func() (float64, error)

// echoes compares all three on conns connections.
func (w *world) echoes(conns int) (row, error) {
	defer w.close()
	_, hand, err := w.echo(conns, "by hand")
	if err != nil {
		return row{}, err
	}
	onEpoll, epoll, err := w.echo(conns, "echo", "epoll")
	if err != nil {
		return row{}, err
	}
	onUring, uring, err := w.echo(conns, "echo", "uring")
	if err != nil {
		return row{}, err
	}
	r := row{Load: fmt.Sprintf("echo 64 B x %d", conns)}
	var over, share measure.Pair
	if err := over.Run(w.pairs, hand, epoll); err != nil {
		return r, err
	}
	if err := share.Run(w.pairs, epoll, uring); err != nil {
		return r, err
	}
	r.Hand, r.OverHand = measure.Summarize(over.A), over.Ratio()
	r.Epoll = measure.Summarize(append(over.B, share.A...))
	r.Uring, r.UringShare = measure.Summarize(share.B), share.Ratio()
	return r, r.countBatches(onEpoll, onUring)
}

// echo starts a server and its load.
func (w *world) echo(conns int, role string, args ...string) (*measure.Process, cost, error) {
	server, addr, err := w.server(role, args...)
	if err != nil {
		return nil, nil, err
	}
	load, err := measure.Self(w.loadCPU, "load", addr, strconv.Itoa(conns), "64")
	if err != nil {
		return nil, nil, err
	}
	w.processes = append(w.processes, load)
	run := w.measured(server, func() error {
		_, err := load.Ask(strconv.Itoa(w.count))
		return err
	})
	_, err = run() // warm up
	return server, run, err
}

// requests compares the drivers under HTTP/2.
func (w *world) requests(conns, streams int) (row, error) {
	defer w.close()
	onEpoll, epoll, err := w.h2(conns, streams, "epoll")
	if err != nil {
		return row{}, err
	}
	onUring, uring, err := w.h2(conns, streams, "uring")
	if err != nil {
		return row{}, err
	}
	r := row{Load: fmt.Sprintf("h2c %dx%d", conns, streams)}
	var share measure.Pair
	if err := share.Run(w.pairs, epoll, uring); err != nil {
		return r, err
	}
	r.Epoll, r.Uring, r.UringShare = measure.Summarize(share.A), measure.Summarize(share.B), share.Ratio()
	return r, r.countBatches(onEpoll, onUring)
}

// countBatches asks both servers, after all runs.
func (r *row) countBatches(onEpoll, onUring *measure.Process) error {
	e, err := ask(onEpoll)
	if err != nil {
		return err
	}
	u, err := ask(onUring)
	r.EpollBatch, r.UringBatch = e.batch(), u.batch()
	r.EpollUser, r.UringUser = r.Epoll.Median*e.userShare(), r.Uring.Median*u.userShare()
	return err
}

// h2loadMax bounds one run of h2load.
const h2loadMax = 2 * time.Minute

func (w *world) h2(conns, streams int, driver string) (*measure.Process, cost, error) {
	server, addr, err := w.server("h2", driver)
	if err != nil {
		return nil, nil, err
	}
	n := strconv.Itoa(w.count)
	run := w.measured(server, func() error {
		out, err := measure.Output(w.loadCPU, h2loadMax, "h2load", "-t", "1", "-n", n, "-c", strconv.Itoa(conns), "-m", strconv.Itoa(streams), "http://"+addr+"/")
		if err == nil && !strings.Contains(out, "status codes: "+n+" 2xx") {
			err = fmt.Errorf("not every request succeeded:\n%s", out)
		}
		return err
	})
	_, err = run() // warm up
	return server, run, err
}

// server starts a child in a role and returns its address.
func (w *world) server(role string, args ...string) (*measure.Process, string, error) {
	p, err := measure.Self(w.serverCPU, role, args...)
	if err != nil {
		return nil, "", err
	}
	w.processes = append(w.processes, p)
	addr, err := p.Line()
	return p, addr, err
}

func (w *world) measured(server *measure.Process, load func() error) cost {
	return func() (float64, error) {
		before, err := measure.CPU(server.PID())
		if err != nil {
			return 0, err
		}
		if err := load(); err != nil {
			return 0, err
		}
		after, err := measure.CPU(server.PID())
		return float64(after-before) / float64(time.Microsecond) / float64(w.count), err
	}
}
