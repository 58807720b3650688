package measure

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Process is a child in the parent's process group, so that Ctrl-C ends both.
type Process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Reader
}

// Start runs a program bound to one CPU (negative: not bound), its output kept for Line, its errors passed on.
func Start(cpu int, name string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(name, args...)}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.lines = bufio.NewReader(out)
	if cpu < 0 {
		err = p.cmd.Start()
	} else {
		err = onCPU(cpu, p.cmd.Start)
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// Self starts this program again in another role.
func Self(cpu int, role string, args ...string) (*Process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return Start(cpu, exe, append([]string{RolePrefix + role}, args...)...)
}

// RolePrefix marks the first argument of a child that is this program again.
const RolePrefix = "role:"

// Role returns the role this process was started in, "" for the parent, and the arguments behind it.
func Role() (string, []string) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], RolePrefix) {
		return strings.TrimPrefix(os.Args[1], RolePrefix), os.Args[2:]
	}
	return "", nil
}

// PID is the process's.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Line returns the child's next line of output.
func (p *Process) Line() (string, error) {
	s, err := p.lines.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s ended early: %w", p.cmd.Path, err)
	}
	return strings.TrimSpace(s), nil
}

// Ask sends a line and returns the answer.
func (p *Process) Ask(line string) (string, error) {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return "", err
	}
	return p.Line()
}

// Stop ends the process: stdin is closed, then it is killed. A child in a role ends by itself at the end of stdin.
func (p *Process) Stop() {
	p.in.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// Output runs a program to its end, bound to one CPU, for at most limit.
func Output(cpu int, limit time.Duration, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var b strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := onCPU(cpu, cmd.Start); err != nil {
		return "", fmt.Errorf("start %s: %w", name, err)
	}
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", name, err, b.String())
	}
	return b.String(), nil
}

// FreeAddr returns an address on loopback that nobody listened on a moment ago.
func FreeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// AwaitPort waits until somebody listens.
func AwaitPort(addr string, limit time.Duration) error {
	for end := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			return nc.Close()
		}
		if time.Now().After(end) {
			return err
		}
	}
}
