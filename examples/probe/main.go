package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/ring"
	"github.com/percore/percore/runtime"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, coreruntime.Diagnose)) }

// run is the whole program; its results are in doc.go.
func run(args []string, out, errOut io.Writer, diagnose func() coreruntime.Diagnosis) int {
	set := flag.NewFlagSet("probe", flag.ContinueOnError)
	set.SetOutput(errOut)
	asJSON := set.Bool("json", false, "print one JSON object")
	if err := set.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if set.NArg() > 0 {
		fmt.Fprintf(errOut, "probe: %q is not a flag (-help lists the flags)\n", set.Arg(0))
		return 2
	}
	d := diagnose()
	if *asJSON {
		text, _ := json.MarshalIndent(inJSON(d), "", "  ")
		fmt.Fprintf(out, "%s\n", text)
	} else {
		io.WriteString(out, screen(d))
	}
	if d.Driver == "uring" {
		return 0
	}
	return 1
}

// inJSON turns the reason into text: an error has no JSON.
func inJSON(d coreruntime.Diagnosis) any {
	reason := ""
	if d.Reason != nil {
		reason = d.Reason.Error()
	}
	return struct {
		coreruntime.Diagnosis
		Reason string
	}{d, reason}
}

func screen(d coreruntime.Diagnosis) string {
	var b strings.Builder
	f := d.Ring
	fmt.Fprintf(&b, "kernel    linux %s %s (percore uses io_uring from 6.1 on)\n", f.Kernel, runtime.GOARCH)
	why := "io_uring works, tried"
	if d.Reason != nil {
		why = "io_uring cannot be used, see below"
	}
	fmt.Fprintf(&b, "driver    auto takes %s (%s)\n", d.Driver, why)
	none, absent := "none", "absent"
	if f.Hidden {
		none, absent = "unknown", "unknown (no /proc/sys here)"
	}
	fmt.Fprintf(&b, "sysctl    kernel.io_uring_disabled %s, kernel.io_uring_group %s; this process %s\n", number(f.Disabled, absent), number(f.Group, none), member(f.Member))
	fmt.Fprintf(&b, "seccomp   %s\n", seccomp(f.Seccomp))
	for _, t := range f.Trials {
		verdict := "refused"
		if t.Reached {
			verdict = "comes through"
		}
		fmt.Fprintf(&b, "          %-18s %s (%s)\n", t.Call, verdict, t.Answer)
	}
	fmt.Fprintf(&b, "limits    memlock %s bytes (rings: only before Linux 5.12), nofile %s\n", limit(f.Memlock), limit(f.NoFile))
	quota := "no quota"
	if d.Quota > 0 {
		quota = fmt.Sprintf("quota %.2f", d.Quota)
	}
	fmt.Fprintf(&b, "CPUs      %s of the mask (%d of %d in the machine), %s\n", cpuList(d.Mask), len(d.Mask), d.MachineCPUs, quota)
	pinned := "not pinned"
	if d.Pinned {
		pinned = "pinned"
	}
	fmt.Fprintf(&b, "cores     %d, threads %s; GOMAXPROCS %d, Start makes it %d\n", d.Cores, pinned, d.GOMAXPROCS, d.Procs)
	features(&b, f.Features)
	findings(&b, d.Findings)
	return b.String()
}

func features(b *strings.Builder, list []ring.Feature) {
	b.WriteString("features  * is required\n")
	for _, f := range list {
		mark := " "
		if f.Required {
			mark = "*"
		}
		fmt.Fprintf(b, "        %s %-7s %-27s %-5s %s\n", mark, f.Has, strings.TrimPrefix(f.Name, "IORING_"), f.Since, f.Gain)
	}
}

func findings(b *strings.Builder, list []coreruntime.Finding) {
	if len(list) == 0 {
		b.WriteString("change    nothing: percore gets all that it can use\n")
		return
	}
	b.WriteString("change\n")
	for i, f := range list {
		fmt.Fprintf(b, "  %d. %s\n     -> %s\n", i+1, f.What, f.Change)
	}
}

func number(n int, without string) string {
	if n < 0 {
		return without
	}
	return strconv.Itoa(n)
}

func member(yes bool) string {
	if yes {
		return "is privileged or in the group"
	}
	return "is neither privileged nor in the group"
}

func seccomp(mode int) string {
	switch mode {
	case 0:
		return "0: no filter"
	case 1:
		return "1: strict"
	case 2:
		return "2: a filter is installed"
	}
	return "unknown: no /proc"
}

func limit(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// cpuList writes 0,1,2,5 as "0-2,5".
func cpuList(cpus []int) string {
	var parts []string
	for i := 0; i < len(cpus); {
		j := i
		for j+1 < len(cpus) && cpus[j+1] == cpus[j]+1 {
			j++
		}
		part := strconv.Itoa(cpus[i])
		if j > i {
			part += "-" + strconv.Itoa(cpus[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}
