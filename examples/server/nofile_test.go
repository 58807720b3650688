package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const nofileChild = "PERCORE_TEST_NOFILE_CHILD"

// nofileMax is what each child may open: the program itself needs about 17 descriptors on two cores.
const nofileMax = 64

// TestOutOfDescriptors: with ulimit -n 64 and 200 idle clients the program costs next to nothing, serves those that it
// accepted before, and serves the others when the idle ones leave.
func TestOutOfDescriptors(t *testing.T) {
	if kind := os.Getenv(nofileChild); kind != "" {
		serveInFewDescriptors(t, kind)
		return
	}
	for _, kind := range []string{"uring", "epoll"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			crowd(t, startChild(t, kind))
		})
	}
}

// serveInFewDescriptors is the child: the whole program, after it has given up the right to raise its limit.
func serveInFewDescriptors(t *testing.T, kind string) {
	limit := &syscall.Rlimit{Cur: nofileMax, Max: nofileMax}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, limit); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with its parent, also when that is killed
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	args := []string{"-addr", "127.0.0.1:0", "-tls-addr", "127.0.0.1:0", "-cores", "2", "-driver", kind}
	run(args, os.Stdout, os.Stderr, nil)
}

// child is the program in a process of its own.
type child struct {
	pid int
	url string
	log *screenText
}

func startChild(t *testing.T, kind string) *child {
	cmd := exec.Command(os.Args[0], "-test.run=^TestOutOfDescriptors$")
	cmd.Env = append(os.Environ(), nofileChild+"="+kind)
	c := &child{log: &screenText{}}
	cmd.Stdout, cmd.Stderr = c.log, c.log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // its exit status is the one that it was told
		if t.Failed() {
			t.Logf("the child said:\n%s", c.log)
		}
	})
	c.pid = cmd.Process.Pid
	address := regexp.MustCompile(`http +(127\.0\.0\.1:\d+)`)
	eventually(t, "the child's screen", func() bool {
		found := address.FindStringSubmatch(c.log.String())
		if found != nil {
			c.url = "http://" + found[1]
		}
		return found != nil
	})
	return c
}

// eventually waits for cond.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func crowd(t *testing.T, c *child) {
	const clients, window, shareMax = 200, 2 * time.Second, 0.05
	early := stdClient(t)
	plaintext(t, early, c.url)
	var idle []net.Conn
	for range clients {
		nc, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		idle = append(idle, nc)
	}
	eventually(t, "the pause", func() bool { return strings.Contains(c.log.String(), "pauses") })
	used := c.cpu(t)
	time.Sleep(window)
	used = c.cpu(t) - used
	t.Logf("%v of CPU time in %v", used, window)
	if used > time.Duration(shareMax*float64(window)) {
		t.Errorf("%v of CPU time in %v without descriptors, at most %v %% are meant", used, window, 100*shareMax)
	}
	plaintext(t, early, c.url)
	late := stdClient(t)
	served := make(chan error, 1)
	go func() {
		resp, err := late.Get(c.url + "/plaintext")
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		served <- err
	}()
	for _, nc := range idle {
		nc.Close()
	}
	select {
	case err := <-served:
		if err != nil {
			t.Errorf("the late client: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the late client is not served after the idle ones have left")
	}
	// io_uring wants a descriptor before it looks for a connection, so that also an accept which finds none may warn.
	if n := strings.Count(c.log.String(), "pauses"); n > 4 {
		t.Errorf("%d warnings of 4 listening sockets", n)
	}
}

func plaintext(t *testing.T, client *http.Client, url string) {
	t.Helper()
	resp, err := client.Get(url + "/plaintext")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "Hello, World!" {
		t.Fatalf("got %q, %v", body, err)
	}
}

// cpu returns the child's user and system time; see proc_pid_stat(5), fields 14 and 15 in ticks of 10 ms.
func (c *child) cpu(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(c.pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from field 3 on
	var ticks time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(string(f))
		if err != nil {
			t.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}
