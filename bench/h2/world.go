package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/percore/percore/bench/internal/measure"
)

// world is what runs during the benchmark: both servers, on both ports, idle but for the one that is asked.
type world struct {
	dir               string
	serverCPU, cpu    int
	conns             int
	percore, nghttpd  *contender
	certFile, keyFile string
	processes         []*measure.Process
}

// contender is a server, with a process of its own for each scheme.
type contender struct{ plain, tls *endpoint }

func (c *contender) endpoint(secure bool) *endpoint {
	if secure {
		return c.tls
	}
	return c.plain
}

type endpoint struct {
	process *measure.Process
	url     string
}

// runMax bounds one run of h2load.
const runMax = 2 * time.Minute

func open(driver string, conns int) (w *world, err error) {
	for _, name := range []string{"h2load", "nghttpd"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("%s is not installed: apt-get install -y nghttp2", name)
		}
	}
	w = &world{conns: conns}
	if w.serverCPU, w.cpu, err = measure.CPUs(); err != nil {
		return nil, err
	}
	if w.dir, err = os.MkdirTemp("", "percore-bench"); err != nil {
		return nil, err
	}
	if err = w.startAll(driver); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) startAll(driver string) (err error) {
	if w.certFile, w.keyFile, err = measure.WriteCert(w.dir); err != nil {
		return err
	}
	if err = os.WriteFile(filepath.Join(w.dir, "plaintext"), []byte("Hello, World!"), 0o600); err != nil {
		return err
	}
	binary := filepath.Join(w.dir, "server")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/percore/percore/examples/server").CombinedOutput(); err != nil {
		return fmt.Errorf("build examples/server: %w\n%s", err, out)
	}
	ours := func(addr string, secure bool) []string {
		if secure {
			return []string{binary, "-driver", driver, "-addr=", "-tls-addr", addr, "-cert", w.certFile, "-key", w.keyFile}
		}
		return []string{binary, "-driver", driver, "-addr", addr, "-tls-addr="}
	}
	theirs := func(addr string, secure bool) []string {
		host, port, _ := net.SplitHostPort(addr)
		args := []string{"nghttpd", "-a", host, "-d", w.dir}
		if secure {
			return append(args, port, w.keyFile, w.certFile)
		}
		return append(args, "--no-tls", port)
	}
	if w.percore, err = w.contender(ours); err != nil {
		return err
	}
	w.nghttpd, err = w.contender(theirs)
	return err
}

func (w *world) contender(command func(addr string, secure bool) []string) (c *contender, err error) {
	c = &contender{}
	if c.plain, err = w.endpoint(command, false); err != nil {
		return nil, err
	}
	c.tls, err = w.endpoint(command, true)
	return c, err
}

func (w *world) endpoint(command func(addr string, secure bool) []string, secure bool) (*endpoint, error) {
	addr, err := measure.FreeAddr()
	if err != nil {
		return nil, err
	}
	args := command(addr, secure)
	p, err := measure.Start(w.serverCPU, args[0], args[1:]...)
	if err != nil {
		return nil, err
	}
	w.processes = append(w.processes, p)
	scheme := "http"
	if secure {
		scheme = "https"
	}
	return &endpoint{p, scheme + "://" + addr + "/plaintext"}, measure.AwaitPort(addr, 10*time.Second)
}

// h2load asks and makes sure that every answer was good.
func (w *world) h2load(e *endpoint, l load) error {
	n := strconv.Itoa(l.requests)
	out, err := measure.Output(w.cpu, runMax, "h2load", "-t", "1", "-n", n, "-c", strconv.Itoa(w.conns), "-m", strconv.Itoa(l.streams), e.url)
	if err != nil {
		return err
	}
	if !strings.Contains(out, n+" succeeded, 0 failed, 0 errored, 0 timeout") || !strings.Contains(out, "status codes: "+n+" 2xx") {
		return fmt.Errorf("not every request of %s succeeded:\n%s", e.url, out)
	}
	return nil
}

func (w *world) close() {
	for _, p := range w.processes {
		p.Stop()
	}
	os.RemoveAll(w.dir)
}
