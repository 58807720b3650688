package main

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// fetch returns the path of the newest image of a kernel series ("6.1") in the cache, and fills the cache from Debian's
// archive if there is none.
func fetch(cache, series string) (string, error) {
	images, err := filepath.Glob(filepath.Join(cache, "vmlinuz-"+series+".*-cloud-amd64"))
	if err != nil {
		return "", err
	}
	if len(images) > 0 {
		return slices.MaxFunc(images, byNumbers), nil
	}
	if missing := without("apt-get", "apt-cache", "dpkg-deb"); missing != "" {
		return "", fmt.Errorf("kernel %s: missing %s: run on Debian 12, or put a vmlinuz-%s.0-0-cloud-amd64 into %s", series, missing, series, cache)
	}
	name, err := newest(series)
	if err != nil {
		return "", err
	}
	return download(cache, name)
}

// newest asks apt, which knows the archive since its last update, for the package of a series.
func newest(series string) (string, error) {
	out, err := exec.Command("apt-cache", "search", "--names-only", "^linux-image-"+regexp.QuoteMeta(series)+`\.[0-9].*-cloud-amd64$`).Output()
	if err != nil {
		return "", fmt.Errorf("apt-cache search: %w", err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	if len(names) == 0 {
		return "", fmt.Errorf("apt knows no cloud kernel %s: run apt-get update as root; 6.1 and 6.12 are in Debian 12", series)
	}
	return slices.MaxFunc(names, byNumbers), nil
}

var number = regexp.MustCompile(`\d+`)

// byNumbers orders names by the numbers in them: 6.1.0-9 comes before 6.1.0-56.
func byNumbers(a, b string) int {
	x, y := number.FindAllString(a, -1), number.FindAllString(b, -1)
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return cmp.Compare(m, n)
		}
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

// download gets a package, which needs no root, and keeps nothing of it but the kernel.
func download(cache, name string) (string, error) {
	dir, err := os.MkdirTemp(cache, "deb")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("apt-get", "-qq", "download", name)
	cmd.Dir, cmd.Stdout = dir, os.Stderr
	var says strings.Builder // apt warns of its own sandbox when root downloads; that is no news unless it fails
	cmd.Stderr = &says
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("apt-get download %s: %w (run apt-get update as root): %s", name, err, says.String())
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) != 1 {
		return "", errors.Join(err, fmt.Errorf("apt-get download %s: %d files", name, len(debs)))
	}
	return extract(cache, debs[0])
}

// extract copies boot/vmlinuz-* out of a package into the cache, under its name at once when it is whole.
func extract(cache, deb string) (string, error) {
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", deb)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	path, err := image(cache, tar.NewReader(pipe))
	io.Copy(io.Discard, pipe)
	return path, errors.Join(err, cmd.Wait())
}

func image(cache string, files *tar.Reader) (string, error) {
	for {
		header, err := files.Next()
		if err != nil {
			return "", fmt.Errorf("no boot/vmlinuz in the package: %w", err)
		}
		if !strings.HasPrefix(header.Name, "./boot/vmlinuz-") {
			continue
		}
		path := filepath.Join(cache, filepath.Base(header.Name))
		text, err := io.ReadAll(files)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(path+".part", text, 0o644); err != nil {
			return "", err
		}
		return path, os.Rename(path+".part", path)
	}
}

// without names the programs that are not there, "" if all are.
func without(names ...string) string {
	var missing []string
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	return strings.Join(missing, ", ")
}
