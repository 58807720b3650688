package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// filesMax is the limit of descriptors: as high as the kernel's default fs.nr_open.
const filesMax = 1 << 20

// prepare makes of a bare kernel what a test expects of a Linux machine.
func prepare() error {
	mounts := []struct{ kind, at string }{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/tmp"}}
	for _, m := range mounts {
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	limit := unix.Rlimit{Cur: filesMax, Max: filesMax}
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_NOFILE, &limit),
		up("lo"),
		os.Setenv("PATH", "/bin"), os.Setenv("HOME", "/root"), os.Setenv("TMPDIR", "/tmp"),
		os.Setenv("PERCORE_SYSCTL", "1"), // tests may set sysctls: the machine is theirs alone
	)
}

// up brings an interface up, as ip link set does: netdevice(7). The kernel gives lo its addresses then.
func up(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bring %s up: %w", name, err)
	}
	return nil
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err.Error()
	}
	return unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
}

// sysctl is "" if the kernel has none of that name.
func sysctl(name string) string {
	text, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
