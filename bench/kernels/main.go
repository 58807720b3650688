package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/percore/percore/bench/internal/suite"
)

// options are the flags.
type options struct {
	kernels, suites, tags, cache, only string
	budget, each                       time.Duration
	count                              int
	arm64, serial, verbose             bool
}

func main() {
	var o options
	flag.StringVar(&o.kernels, "kernels", "6.1,6.12", "series of Debian's cloud kernels")
	flag.StringVar(&o.suites, "suites", "", "packages to test, by folder (default all)")
	flag.StringVar(&o.tags, "tags", "", "build tags of the test binaries: invariants, giouring")
	flag.StringVar(&o.cache, "cache", "", "folder for kernels (default percore-kernels in the user's cache folder)")
	flag.StringVar(&o.only, "run", "", "run the tests that match, and show all they say")
	flag.IntVar(&o.count, "count", 1, "how often, with -run")
	flag.DurationVar(&o.budget, "budget", 10*time.Minute, "limit for everything")
	flag.DurationVar(&o.each, "each", 4*time.Minute, "limit for each suite")
	flag.BoolVar(&o.arm64, "arm64", false, "run arm64 binaries in qemu-user instead of booting kernels")
	flag.BoolVar(&o.serial, "serial", false, "boot one kernel after the other instead of all at once")
	flag.BoolVar(&o.verbose, "v", false, "print the slowest tests of each suite")
	flag.Parse()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench/kernels:", err)
		os.Exit(1)
	}
}

func (o *options) run() error {
	ctx, cancel := context.WithTimeout(context.Background(), o.budget)
	defer cancel()
	if _, err := os.Stat("bench/kernels/guest"); err != nil {
		return errors.New("run it in the root of the repository: go run ./bench/kernels")
	}
	if o.cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("no cache folder, give one with -cache: %w", err)
		}
		o.cache = filepath.Join(base, "percore-kernels")
	}
	dir, err := os.MkdirTemp("", "percore-kernels")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(o.cache, 0o755); err != nil {
		return err
	}
	if o.arm64 {
		return o.emulate(ctx, dir)
	}
	return o.boot(ctx, dir)
}

// boot runs the suites on every kernel.
func (o *options) boot(ctx context.Context, dir string) error {
	if missing := without("qemu-system-x86_64"); missing != "" {
		return errors.New("missing qemu-system-x86_64: apt-get install -y --no-install-recommends qemu-system-x86")
	}
	plans, err := choose(onKernels(), o.suites)
	if err != nil {
		return err
	}
	r := newReport(len(plans), o.verbose)
	var machines []machine
	for series := range strings.SplitSeq(o.kernels, ",") {
		image, err := fetch(o.cache, series)
		if err != nil {
			return err
		}
		m := machine{series: series, vmlinuz: image, initrd: filepath.Join(dir, "initrd"), report: r}
		m.log = filepath.Join(o.cache, "console-"+series+".log")
		machines = append(machines, m)
	}
	if err := build(dir, "amd64", o.tags, plans); err != nil {
		return err
	}
	if err := o.initrd(filepath.Join(dir, "initrd"), dir, plans); err != nil {
		return err
	}
	err = o.all(ctx, machines)
	return errors.Join(err, failures(r))
}

// all boots the machines, side by side unless told otherwise: a suite spends half its time waiting.
func (o *options) all(ctx context.Context, machines []machine) error {
	errs := make([]error, len(machines))
	var group sync.WaitGroup
	for i, m := range machines {
		group.Go(func() {
			if err := m.run(ctx); err != nil {
				errs[i] = fmt.Errorf("kernel %s: %w", m.series, err)
			}
		})
		if o.serial {
			group.Wait()
		}
	}
	group.Wait()
	return errors.Join(errs...)
}

// emulate runs arm64 binaries on this kernel.
func (o *options) emulate(ctx context.Context, dir string) error {
	const emulator = "qemu-aarch64-static"
	if missing := without(emulator); missing != "" {
		return errors.New("missing " + emulator + ": apt-get install -y --no-install-recommends qemu-user-static")
	}
	plans, err := choose(onARM64(), o.suites)
	if err != nil {
		return err
	}
	r := newReport(len(plans), o.verbose)
	if err := build(dir, "arm64", o.tags, plans, emulator); err != nil {
		return err
	}
	for _, s := range o.suitesOf(plans) {
		s.Command, s.Dir = []string{emulator, filepath.Join(dir, binaryOf(s.Name))}, s.Name
		r.add("arm64", suite.Run(ctx, s))
	}
	return failures(r)
}

func failures(r *report) error {
	if n := r.end(); n > 0 {
		return fmt.Errorf("%d suites failed", n)
	}
	return nil
}
