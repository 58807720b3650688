package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// input is one file of a corpus.
type input struct {
	path string
	size int64
}

// collectAll copies the smallest inputs that go's cache has into the repository, where every go test runs them.
func collectAll(targets []target, n int) error {
	cache, err := goTool("env", "GOCACHE")
	if err != nil {
		return err
	}
	for _, t := range targets {
		found, err := t.inputs(strings.TrimSpace(cache))
		if err != nil {
			return err
		}
		kept := found[:min(n, len(found))]
		if err := t.keep(kept); err != nil {
			return err
		}
		fmt.Printf("%-22s %d of %d inputs kept\n", t.name, len(kept), len(found))
	}
	return nil
}

// inputs lists what was found so far, smallest first.
func (t target) inputs(cache string) (found []input, err error) {
	files, err := filepath.Glob(filepath.Join(cache, "fuzz", t.importPath, t.name, "*"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		found = append(found, input{path, info.Size()})
	}
	slices.SortFunc(found, func(a, b input) int { return cmp.Or(cmp.Compare(a.size, b.size), strings.Compare(a.path, b.path)) })
	return found, nil
}

// sizeMax keeps the repository small.
const sizeMax = 8 << 10

func (t target) keep(inputs []input) error {
	dir := filepath.Join(t.dir, "testdata", "fuzz", t.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, in := range inputs {
		if in.size > sizeMax {
			continue
		}
		text, err := os.ReadFile(in.path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(in.path)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
