package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/percore/percore/bench/internal/suite"
)

// machine is one boot of one kernel.
type machine struct {
	series, vmlinuz, initrd string
	log                     string // file for the kernel's own console
	report                  *report
}

// commandLine: a panic reboots, which -no-reboot makes an exit; mitigations only cost time here.
const commandLine = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr oops=panic"

// emulatorsFault is how a kernel dies that saw half of its own patched code (guest/warm.go).
const emulatorsFault = "int3: 0000"

// run boots, follows the guest's reports and waits for its power-off. It fails if the guest did not report on every
// suite. A death by the emulator's fault gives it a second chance, with the suites from the first on.
func (m machine) run(ctx context.Context) error {
	err := m.boot(ctx)
	if err != nil && strings.Contains(err.Error(), emulatorsFault) {
		m.report.again(m.series)
		err = m.boot(ctx)
	}
	return err
}

func (m machine) boot(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536",
		"-nodefaults", "-no-reboot", "-display", "none", "-serial", "file:"+m.log, "-serial", "stdio",
		"-kernel", m.vmlinuz, "-initrd", m.initrd, "-append", commandLine)
	var says bytes.Buffer
	cmd.Stderr, cmd.WaitDelay = &says, time.Second
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	left := m.follow(pipe)
	err = cmd.Wait()
	switch {
	case left == "":
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("out of time %s: raise -budget", left)
	}
	return fmt.Errorf("the machine ended %s (qemu: %v %s); its console:\n%s", left, err, says.String(), tail(m.log))
}

// follow reads the guest's reports until it ends and says where it ended: "" after the last suite.
func (m machine) follow(pipe io.Reader) (left string) {
	in := bufio.NewScanner(pipe)
	in.Buffer(nil, 1<<20)
	left = "while booting"
	for in.Scan() {
		var r suite.Report
		if json.Unmarshal(bytes.TrimSpace(in.Bytes()), &r) != nil {
			continue // not ours: firmware speaks on every serial line
		}
		switch {
		case r.Hello != nil:
			m.report.hello(m.series, *r.Hello)
			left = "before the first suite"
		case r.Start != "":
			left = "in " + r.Start
		case r.End != nil:
			m.report.add(m.series, *r.End)
			left = "after " + r.End.Name
		}
		if m.report.complete(m.series) {
			left = ""
		}
	}
	return left
}

// tail is the end of a kernel's console.
func tail(file string) string {
	const linesMax = 80
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-linesMax):], "\n")
}
