package socket

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// Listen makes and binds one socket of a group; see the package comment for the order that makes a group
// exclusive. An Exclusive socket listens at once (its backlog holds what arrives before the group is
// complete); any other listens when StartListen says so. Unspecified addresses follow the standard library:
// "tcp" takes both families on one [::] socket, or IPv4 alone where the machine has no IPv6; "tcp4" and
// "tcp6" take one. Errors wrap the errno (EADDRINUSE, EACCES, EADDRNOTAVAIL, ...). Any goroutine.
func (s Real) Listen(spec driver.ListenSpec) (int, netip.AddrPort, error) {
	families, err := listenFamilies(spec.Network, spec.Addr.Addr())
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	var fd int
	for _, family := range families {
		if fd, err = s.listenOn(family, spec); err == nil || !noIPv6(err) {
			break
		}
	}
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	bound, err := s.Sockname(fd)
	if err != nil {
		unix.Close(fd)
		return -1, netip.AddrPort{}, opError("getsockname", spec.Network, spec.Addr, err)
	}
	return fd, bound, nil
}

// StartListen puts fd into the listening state, or changes the backlog of one that listens already.
// backlog 0 is the system's maximum. See listen(2).
func (Real) StartListen(fd, backlog int) error {
	if backlog <= 0 {
		backlog = backlogMax()
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return fmt.Errorf("percore: listen on descriptor %d: %w", fd, err)
	}
	return nil
}

// listenFamilies lists the address families to try, best first. Like net.Listen, "tcp" with any
// unspecified address, 0.0.0.0 too, asks for both families.
func listenFamilies(network string, ip netip.Addr) ([]int, error) {
	wild := !ip.IsValid() || ip.Unmap().IsUnspecified()
	is4 := ip.Unmap().Is4()
	switch {
	case network == "tcp" && wild:
		return []int{unix.AF_INET6, unix.AF_INET}, nil
	case network == "tcp" && is4, network == "tcp4" && (is4 || !ip.IsValid()):
		return []int{unix.AF_INET}, nil
	case network == "tcp", network == "tcp6" && (!is4 || !ip.IsValid()):
		return []int{unix.AF_INET6}, nil
	}
	return nil, wrongFamily(network, ip)
}

// noIPv6 reports the errnos by which a kernel without IPv6 refuses an IPv6 socket or address.
func noIPv6(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)
}

func (s Real) listenOn(family int, spec driver.ListenSpec) (int, error) {
	fd, err := unix.Socket(family, openFlags, unix.IPPROTO_TCP)
	if err != nil {
		return -1, opError("socket", spec.Network, spec.Addr, err)
	}
	if err := s.prepare(fd, family, spec); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// prepare takes fd from fresh to bound, in the order of the package comment.
func (s Real) prepare(fd, family int, spec driver.ListenSpec) error {
	if err := s.setListenOptions(fd, family, spec); err != nil {
		return opError("set options for", spec.Network, spec.Addr, err)
	}
	if err := unix.Bind(fd, sockaddr(family, spec.Addr)); err != nil {
		return opError("bind", spec.Network, spec.Addr, err)
	}
	if !spec.Exclusive {
		return nil
	}
	backlog := spec.Backlog
	if backlog <= 0 {
		backlog = backlogMax()
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return opError("listen", spec.Network, spec.Addr, err)
	}
	if err := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return opError("open to its siblings", spec.Network, spec.Addr, err)
	}
	return nil
}

// setListenOptions sets what must be known before bind. Accepted sockets inherit the buffer sizes (the
// window scale is fixed in the handshake, so they must be set here) and TCP_NODELAY.
func (s Real) setListenOptions(fd, family int, spec driver.ListenSpec) error {
	if family == unix.AF_INET6 {
		if err := setInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, boolInt(spec.Network == "tcp6")); err != nil {
			return err
		}
	}
	if err := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if !spec.Exclusive {
		if err := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return err
		}
	}
	if err := s.SetNoDelay(fd, spec.NoDelay); err != nil {
		return err
	}
	return s.SetBuffers(fd, spec.RecvBuf, spec.SendBuf)
}

// backlogMax is the system's maximum; the kernel cuts larger values down to it. See listen(2).
func backlogMax() int {
	b, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		return unix.SOMAXCONN
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n <= 0 {
		return unix.SOMAXCONN
	}
	return n
}

// opError says what failed, on what, and what to do about it; it wraps the errno.
func opError(op, network string, addr netip.AddrPort, err error) error {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()) // as the user wrote it
	if remedy := remedyFor(err); remedy != "" {
		return fmt.Errorf("percore: %s %s %s: %w: %s", op, network, addr, err, remedy)
	}
	return fmt.Errorf("percore: %s %s %s: %w", op, network, addr, err)
}

func remedyFor(err error) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return "another program or another instance has this address: stop it, choose another port, or set ShareAcrossProcesses in both"
	case errors.Is(err, unix.EACCES):
		return "a port below net.ipv4.ip_unprivileged_port_start needs CAP_NET_BIND_SERVICE"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "the address belongs to no interface of this machine"
	case errors.Is(err, unix.EMFILE):
		return "the process has no descriptor left: raise RLIMIT_NOFILE (ulimit -n)"
	case errors.Is(err, unix.EAFNOSUPPORT):
		return "the machine does not have this address family"
	}
	return ""
}
