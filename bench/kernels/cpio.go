package main

import (
	"fmt"
	"io"
	"io/fs"
)

// cpio writes an archive in the "newc" format, the only one that the kernel takes as an initrd (kernel documentation,
// driver-api/early-userspace/buffer-format). It needs no root: owners and device nodes are numbers in a header.
type cpio struct {
	w   io.Writer
	off int
	ino int
	err error // the first one; later calls do nothing
}

// Types of st_mode, inode(7).
const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeChar = 0o020000
)

func (c *cpio) dir(name string) { c.entry(name, modeDir|0o755, 0, 0, nil) }

func (c *cpio) file(name string, perm fs.FileMode, content []byte) {
	c.entry(name, modeFile|int(perm.Perm()), 0, 0, content)
}

func (c *cpio) char(name string, major, minor int) { c.entry(name, modeChar|0o600, major, minor, nil) }

// close ends the archive; w stays open.
func (c *cpio) close() error {
	c.entry("TRAILER!!!", 0, 0, 0, nil)
	return c.err
}

// entry writes header, name and content, each filled up to a multiple of four. The kernel wants names without a
// leading slash, and folders before what is in them.
func (c *cpio) entry(name string, mode, major, minor int, content []byte) {
	c.ino++
	links := 1
	if mode&modeDir != 0 {
		links = 2
	}
	c.write(fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		c.ino, mode, 0, 0, links, 0, len(content), 0, 0, major, minor, len(name)+1, 0, name))
	c.fill()
	c.write(content)
	c.fill()
}

func (c *cpio) fill() { c.write(make([]byte, -c.off&3)) }

func (c *cpio) write(p []byte) {
	if c.err == nil && len(p) > 0 {
		_, c.err = c.w.Write(p)
		c.off += len(p)
	}
}
