package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/percore/percore/bench/internal/suite"
)

// build compiles the test binaries of the packages, and the guest's init unless arch is a foreign one, into dir.
// Emulator is what runs a binary here: nothing, or a program's name.
func build(dir, arch, tags string, plans []plan, emulator ...string) error {
	args := []string{"test", "-c", "-ldflags=-s -w" + linkFlags(tags), "-tags=" + tags, "-o", dir + "/"}
	for _, p := range plans {
		args = append(args, "./"+p.name)
	}
	if err := goTool(arch, args...); err != nil {
		return err
	}
	for _, p := range plans {
		if err := p.stale(append(emulator, filepath.Join(dir, binaryOf(p.name)))...); err != nil {
			return err
		}
	}
	if arch != "amd64" {
		return nil
	}
	return goTool(arch, "build", "-ldflags=-s -w", "-o", filepath.Join(dir, "init"), "./bench/kernels/guest")
}

// linkFlags: giouring pulls a name of the standard library (design.md section 2).
func linkFlags(tags string) string {
	if strings.Contains(tags, "giouring") {
		return " -checklinkname=0"
	}
	return ""
}

// goTool runs go in the root of the module. The binaries are static: the guest has no C library.
func goTool(arch string, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", args[0], err)
	}
	return nil
}

// binaryOf is what go test -c calls the binary of a package.
func binaryOf(name string) string { return path.Base(name) + ".test" }

// suitesOf are the plans as the flags want them; where they run is not said yet.
func (o *options) suitesOf(plans []plan) (list []suite.Suite) {
	for _, p := range plans {
		list = append(list, suite.Suite{Name: p.name, Skip: p.skip(), Only: cmp.Or(o.only, p.only), Count: o.count, Timeout: o.each})
	}
	return list
}

// initrd writes the guest's whole file system: the tests lie where the packages do.
func (o *options) initrd(file, dir string, plans []plan) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	w := bufio.NewWriter(out)
	c := &cpio{w: w}
	for _, name := range strings.Fields("dev proc sys tmp etc root root/percore") {
		c.dir(name)
	}
	c.char("dev/console", 5, 1) // init's stdio; without it Go's runtime does not start
	c.char("dev/null", 1, 3)
	err = errors.Join(c.copy("init", filepath.Join(dir, "init")), c.suites(dir, o.suitesOf(plans)))
	return errors.Join(err, c.close(), w.Flush())
}

// hosts is what tests of names need; there is no resolver in the guest.
const hosts = "127.0.0.1 localhost\n::1 localhost\n"

// suites adds each binary with its package's testdata, and suites.json.
func (c *cpio) suites(dir string, list []suite.Suite) error {
	made := map[string]bool{"root/percore": true}
	for i, s := range list {
		home, binary := path.Join("root/percore", s.Name), binaryOf(s.Name)
		c.folders(home, made)
		if err := c.copy(path.Join(home, binary), filepath.Join(dir, binary)); err != nil {
			return err
		}
		if err := c.tree(home, filepath.Join(s.Name, "testdata")); err != nil {
			return err
		}
		list[i].Command, list[i].Dir = []string{"./" + binary}, "/"+home
	}
	text, err := json.Marshal(list)
	c.file("suites.json", 0o644, text)
	c.file("etc/hosts", 0o644, []byte(hosts))
	return err
}

// folders adds a folder and those above it, once.
func (c *cpio) folders(name string, made map[string]bool) {
	if made[name] {
		return
	}
	c.folders(path.Dir(name), made)
	made[name] = true
	c.dir(name)
}

func (c *cpio) copy(name, from string) error {
	text, err := os.ReadFile(from)
	c.file(name, 0o755, text)
	return err
}

// tree adds a package's testdata, if it has any.
func (c *cpio) tree(home, from string) error {
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		switch to := path.Join(home, "testdata", strings.TrimPrefix(filepath.ToSlash(name), filepath.ToSlash(from))); {
		case err != nil:
			return err
		case d.IsDir():
			c.dir(to)
			return nil
		default:
			return c.copy(to, name)
		}
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
