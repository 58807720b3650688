package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/bench/internal/suite"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest is the init of a virtual machine; run go run ./bench/kernels")
		os.Exit(2)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
	}
	unix.Sync()
	fmt.Fprintln(os.Stderr, "guest: power off:", unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
}

func run() error {
	if err := prepare(); err != nil {
		return err
	}
	if err := warm(); err != nil {
		return err
	}
	line, err := os.OpenFile("/dev/ttyS1", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer line.Close()
	text, err := os.ReadFile("/suites.json")
	if err != nil {
		return err
	}
	var list []suite.Suite
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	out := json.NewEncoder(line)
	out.Encode(suite.Report{Hello: &suite.Hello{Kernel: kernel(), Uring: sysctl("kernel/io_uring_disabled")}})
	for _, s := range list {
		out.Encode(suite.Report{Start: s.Name})
		r := suite.Run(context.Background(), s)
		out.Encode(suite.Report{End: &r})
	}
	return nil
}
