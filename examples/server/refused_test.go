package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/deny"
)

// refusedChild tells a child process of these tests "errno driver": what its seccomp filter answers the three calls of
// io_uring with ("none": no filter), and its -driver. A filter cannot be taken off again.
const refusedChild = "PERCORE_TEST_REFUSED_CHILD"

// refusal is a machine without io_uring, and what the program has to say there.
type refusal struct {
	errno string
	nouid bool // an ordinary user
	says  []string
	not   string
}

// TestRefusedBySeccomp: as in a container, the server runs on epoll, or not at all where io_uring was asked for; both say that a
// filter does it, what it answers, and the option that helps.
func TestRefusedBySeccomp(t *testing.T) {
	if what := os.Getenv(refusedChild); what != "" {
		runRefused(t, what)
		return
	}
	if v := disabled(t); v > "0" {
		t.Skipf("needs kernel.io_uring_disabled = 0, it is %s", v)
	}
	for _, r := range []refusal{
		{errno: "EPERM", says: []string{"operation not permitted", "a seccomp filter refuses it", "io_uring_enter is refused with EPERM", "--security-opt seccomp=bench/docker/seccomp.json"}, not: "sysctl -w"},
		{errno: "ENOSYS", says: []string{"function not implemented", "a seccomp filter answers ENOSYS", "io_uring_enter is refused with ENOSYS", "--security-opt seccomp=bench/docker/seccomp.json"}, not: "sysctl -w"},
	} {
		t.Run(r.errno, func(t *testing.T) { r.check(t) })
	}
}

// TestRefusedBySysctl sets kernel.io_uring_disabled, which is the whole machine's: it runs as root and only where
// PERCORE_SYSCTL=1 says that nobody else needs io_uring meanwhile, as in the virtual machines of bench/kernels.
func TestRefusedBySysctl(t *testing.T) {
	before := disabled(t)
	if os.Getenv("PERCORE_SYSCTL") != "1" || os.Geteuid() != 0 || before == "" {
		t.Skip("needs root, Linux 6.6, and PERCORE_SYSCTL=1 on a machine where nobody else uses io_uring")
	}
	t.Cleanup(func() { disable(t, before) })
	disable(t, "1")
	refusal{errno: "none", nouid: true, says: []string{"operation not permitted", "kernel.io_uring_disabled is 1", "kernel.io_uring_group"}, not: "seccomp"}.check(t)
	disable(t, "2")
	refusal{errno: "none", says: []string{"operation not permitted", "kernel.io_uring_disabled is 2", "sysctl -w kernel.io_uring_disabled=0"}, not: "seccomp"}.check(t)
	refusal{errno: "EPERM", says: []string{"kernel.io_uring_disabled is 2", "and a seccomp filter refuses it too", "--security-opt"}}.check(t)
}

const disabledFile = "/proc/sys/kernel/io_uring_disabled"

// disabled is "" on kernels without the sysctl.
func disabled(t *testing.T) string {
	b, err := os.ReadFile(disabledFile)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func disable(t *testing.T, value string) {
	t.Helper()
	if err := os.WriteFile(disabledFile, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// check starts the program twice: with -driver auto it serves and its start-up line gives the reason, with -driver uring it exits
// with the same reason.
func (r refusal) check(t *testing.T) {
	t.Helper()
	auto := r.start(t, "auto")
	address := regexp.MustCompile(`http +(127\.0\.0\.1:\d+)`)
	eventually(t, "the child's screen", func() bool { return strings.Contains(auto.log.String(), "stop with Ctrl-C") })
	text := auto.log.String()
	plaintext(t, stdClient(t), "http://"+address.FindStringSubmatch(text)[1])
	line := regexp.MustCompile(`(?m)^driver .*$`).FindString(text)
	r.judge(t, "the start-up line", line)
	if !strings.Contains(line, "driver   epoll (io_uring cannot be used: ") {
		t.Errorf("start-up line: %q", line)
	}
	uring := r.start(t, "uring")
	if err := uring.cmd.Wait(); err == nil || uring.cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("-driver uring: %v", err)
	}
	r.judge(t, "-driver uring", uring.log.String())
}

func (r refusal) judge(t *testing.T, what, text string) {
	t.Helper()
	for _, want := range r.says {
		if !strings.Contains(text, want) {
			t.Errorf("%s:\n%s\nlacks %q", what, text, want)
		}
	}
	if r.not != "" && strings.Contains(text, r.not) {
		t.Errorf("%s:\n%s\nmust not say %q", what, text, r.not)
	}
}

type refusedProcess struct {
	cmd *exec.Cmd
	log *screenText
}

// start runs the child; it ends with the test, because its input does.
func (r refusal) start(t *testing.T, driver string) refusedProcess {
	t.Helper()
	p := refusedProcess{cmd: exec.Command(os.Args[0], "-test.run=^TestRefusedBySeccomp$"), log: &screenText{}}
	p.cmd.Env = append(os.Environ(), refusedChild+"="+r.errno+" "+driver)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if r.nouid {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = p.cmd.Wait() // it exits with 3, or has been waited for
	})
	return p
}

// runRefused is the child: the whole program, after io_uring has been refused to it.
func runRefused(t *testing.T, what string) {
	var name, driver string
	if _, err := fmt.Sscan(what, &name, &driver); err != nil {
		t.Fatal(err)
	}
	if errno, ok := map[string]unix.Errno{"EPERM": unix.EPERM, "ENOSYS": unix.ENOSYS}[name]; ok {
		if err := deny.Process(errno); err != nil {
			t.Fatal(err)
		}
	}
	go func() { // ends with its parent, also when that is killed
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	os.Exit(run([]string{"-addr", "127.0.0.1:0", "-tls-addr=", "-cores", "2", "-driver", driver}, os.Stdout, os.Stderr, nil))
}
