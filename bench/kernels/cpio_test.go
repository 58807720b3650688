package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// entry is what a reader makes of one entry.
type entry struct {
	name               string
	mode, major, minor int
	content            string
}

// read is a second hand's view of the format, written from the kernel's documentation: every field is eight hex digits,
// name and content each end at a multiple of four.
func read(t *testing.T, p []byte) (list []entry) {
	t.Helper()
	off := 0
	take := func(n int) string {
		if off+n > len(p) {
			t.Fatalf("the archive ends at %d, %d wanted", len(p), off+n)
		}
		off += n
		return string(p[off-n : off])
	}
	inodes := map[int]bool{}
	for {
		if magic := take(6); magic != "070701" {
			t.Fatalf("magic %q at %d", magic, off-6)
		}
		var f [13]int
		for i := range f {
			n, err := strconv.ParseUint(take(8), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			f[i] = int(n)
		}
		name, ok := strings.CutSuffix(take(f[11]), "\x00")
		if !ok || strings.HasPrefix(name, "/") {
			t.Fatalf("name %q", name)
		}
		take(-off & 3)
		content := take(f[6])
		take(-off & 3)
		if name == "TRAILER!!!" {
			return list
		}
		if inodes[f[0]] {
			t.Fatalf("%s: inode %d twice: the kernel would link them", name, f[0])
		}
		inodes[f[0]] = true
		list = append(list, entry{name, f[1], f[9], f[10], content})
	}
}

func TestCpio(t *testing.T) {
	want := []entry{{"dev", 0o040755, 0, 0, ""}, {"dev/null", 0o020600, 1, 3, ""}}
	var out bytes.Buffer
	c := &cpio{w: &out}
	c.dir("dev")
	c.char("dev/null", 1, 3)
	for n := range 9 { // every length of name and content modulo four
		name, text := strings.Repeat("n", n+1), strings.Repeat("x", n)
		c.file(name, 0o755, []byte(text))
		want = append(want, entry{name, 0o100755, 0, 0, text})
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, out.Bytes()); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	byTool(t, out.Bytes(), want)
}

// byTool lets the program cpio judge, where it is installed.
func byTool(t *testing.T, archive []byte, want []entry) {
	path, err := exec.LookPath("cpio")
	if err != nil {
		return
	}
	cmd := exec.Command(path, "--list", "--quiet")
	cmd.Stdin = bytes.NewReader(archive)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("cpio: %v: %s", err, text)
	}
	for i, name := range strings.Fields(string(text)) {
		if name != want[i].name {
			t.Errorf("cpio reads %q, want %q", name, want[i].name)
		}
	}
}

type brokenDisk struct{ left int }

func (b *brokenDisk) Write(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// The first error stays, whichever write it hit.
func TestCpioError(t *testing.T) {
	for n := range 5 {
		c := &cpio{w: &brokenDisk{left: n}}
		c.dir("d")
		c.file("d/f", 0o644, []byte("text"))
		if err := c.close(); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("write %d failed: got %v", n, err)
		}
	}
}

func TestNewest(t *testing.T) {
	names := []string{"linux-image-6.1.0-9-cloud-amd64", "linux-image-6.1.0-56-cloud-amd64", "linux-image-6.1.0-100-cloud-amd64"}
	for i := range len(names) - 1 {
		if byNumbers(names[i], names[i+1]) >= 0 || byNumbers(names[i+1], names[i]) <= 0 {
			t.Errorf("%s is older than %s", names[i], names[i+1])
		}
	}
}

func TestSkipPattern(t *testing.T) {
	p := plan{out: []exclusion{{".*/uring", ""}, {"TestA", ""}, {".*/.*/uring", ""}, {"TestB", ""}}}
	if got := p.skip(); got != "^TestA$|^TestB$|^.*$/^uring$|^.*$/^.*$/^uring$" {
		t.Errorf("got %s", got)
	}
}
