// Skips reads the output of go test -json. Where tests failed it prints what they said, and fails. Else it prints which
// were skipped and why, and fails on a skip whose reason is not one that lies outside this repository.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// allowed are the reasons that are fine on a CI machine with everything installed.
var allowed = regexp.MustCompile(`driver that sleeps|kernel|io_uring|IPv6|-race|user namespace`)

var message = regexp.MustCompile(`\.go:\d+: (.*)`)

func main() {
	last, reasons := map[string]string{}, map[string]int{}
	said, failed := map[string]string{}, false
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e struct{ Action, Package, Test, Output string }
		if json.Unmarshal(in.Bytes(), &e) != nil {
			continue
		}
		name := e.Package + " " + e.Test
		switch {
		case e.Action == "output" || e.Action == "build-output":
			said[name] += e.Output
			if m := message.FindStringSubmatch(e.Output); m != nil {
				last[name] = strings.TrimSpace(m[1])
			}
		case e.Action == "fail" || e.Action == "build-fail":
			failed = true
			fmt.Printf("==> %s\n%s", name, said[name])
		case e.Action == "skip" && e.Test != "":
			reasons[last[name]]++
		}
	}
	if failed {
		os.Exit(1)
	}
	bad := false
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		verdict := "fine"
		if !allowed.MatchString(why) {
			verdict, bad = "MUST RUN HERE", true
		}
		fmt.Printf("skipped %3d: %s (%s)\n", reasons[why], why, verdict)
	}
	if bad {
		os.Exit(1)
	}
}
