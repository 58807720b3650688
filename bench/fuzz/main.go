package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// target is one fuzz function.
type target struct {
	dir, importPath, name string
}

// result is what became of it.
type result struct {
	target
	execs, found string
	err          error
	output       string
}

func main() {
	each := flag.Duration("each", time.Minute, "time for each target")
	only := flag.String("only", "", "run targets whose name matches this regular expression")
	atOnce := flag.Int("at-once", 2, "targets that run at a time, one CPU each")
	collect := flag.Int("collect", 0, "run nothing; copy so many of the inputs found into each testdata/fuzz")
	flag.Parse()
	targets, err := list(*only)
	switch {
	case err != nil:
	case *atOnce < 1 || *each < time.Second:
		err = errors.New("-at-once wants at least 1, -each at least 1s")
	case *collect > 0:
		err = collectAll(targets, *collect)
	default:
		err = runAll(targets, *each, *atOnce)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/fuzz:", err)
		os.Exit(1)
	}
}

// list asks go test for the targets of all packages.
func list(only string) (found []target, err error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	packages, err := goTool("list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}", "./...")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(packages) {
		path, dir, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !hasTarget(dir) {
			continue
		}
		names, err := goTool("test", "-list", "^Fuzz", path)
		if err != nil {
			return nil, err
		}
		for name := range strings.Lines(names) {
			if name = strings.TrimSpace(name); strings.HasPrefix(name, "Fuzz") && match.MatchString(name) {
				found = append(found, target{dir, path, name})
			}
		}
	}
	if len(found) == 0 {
		err = fmt.Errorf("no fuzz target matches %q", only)
	}
	return found, err
}

// hasTarget spares the build of test binaries without any.
func hasTarget(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil && bytes.Contains(text, []byte("\nfunc Fuzz")) {
			return true
		}
	}
	return false
}

func goTool(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return string(out), err
}

func runAll(targets []target, each time.Duration, atOnce int) error {
	fmt.Printf("%d targets, %v each, %d at a time\n", len(targets), each, atOnce)
	queue, results := make(chan target), make(chan result)
	var group sync.WaitGroup
	for range min(atOnce, len(targets)) {
		group.Go(func() {
			for t := range queue {
				results <- t.run(each)
			}
		})
	}
	go func() {
		for _, t := range targets {
			queue <- t
		}
		close(queue)
		group.Wait()
		close(results)
	}()
	failed := 0
	for r := range results {
		if r.err != nil {
			failed++
			fmt.Printf("FAIL %-22s %s\n%s\n", r.name, r.importPath, r.output)
			continue
		}
		fmt.Printf("ok   %-22s %s: %s executions, %s new inputs\n", r.name, r.importPath, cmp.Or(r.execs, "0"), cmp.Or(r.found, "0"))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d targets failed; their inputs are in testdata/fuzz", failed, len(targets))
	}
	return nil
}

var progress = regexp.MustCompile(`execs: (\d+) .*new interesting: (\d+)`)

// startMax is how long building and the first pass over the corpus may take on top of the target's time.
const startMax = 3 * time.Minute

// run fuzzes one target. Minimizing is bounded: crypto/tls is not deterministic, and a minute spent on an input that
// cannot be reproduced finds nothing.
func (t target) run(each time.Duration) (r result) {
	r.target = t
	cmd := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", each.String(),
		"-fuzzminimizetime", "100x", "-parallel", "1", "-timeout", (each + startMax).String(), t.importPath)
	var out lines
	out.name = t.name
	cmd.Stdout, cmd.Stderr = &out, &out
	r.err = cmd.Run()
	r.output = out.all.String()
	for _, m := range progress.FindAllStringSubmatch(r.output, -1) {
		r.execs, r.found = m[1], m[2]
	}
	if n, _ := strconv.Atoi(r.execs); r.err == nil && n == 0 {
		r.err = errors.New("nothing was executed")
	}
	return r
}

// lines keeps a program's output and shows a progress line now and then.
type lines struct {
	name  string
	all   bytes.Buffer
	shown time.Time
}

const showEvery = 10 * time.Second

func (l *lines) Write(p []byte) (int, error) {
	l.all.Write(p)
	if text := strings.TrimSpace(string(p)); strings.HasPrefix(text, "fuzz: elapsed") && time.Since(l.shown) > showEvery {
		l.shown = time.Now()
		fmt.Printf("     %-22s %s\n", l.name, strings.TrimPrefix(text, "fuzz: "))
	}
	return len(p), nil
}
