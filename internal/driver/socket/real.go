package socket

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// Real implements driver.Sockets on the kernel's sockets. The zero value is ready; any goroutine.
type Real struct{}

var _ driver.Sockets = Real{}

// openFlags are set on every socket: a core never waits in a socket call, and no descriptor reaches a
// child process.
const openFlags = unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK

// Socket makes an unconnected stream socket for remote's address family. network is "tcp", "tcp4" or
// "tcp6"; an address of the wrong family is an error. See socket(2).
func (Real) Socket(network string, remote netip.AddrPort) (int, error) {
	family, err := familyOf(network, remote.Addr())
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(family, openFlags, unix.IPPROTO_TCP)
	if err != nil {
		return -1, opError("socket", network, remote, err)
	}
	return fd, nil
}

// CloseFD closes fd. It allocates nothing; any goroutine. See close(2).
func (Real) CloseFD(fd int) error { return unix.Close(fd) }

// ShutdownWrite ends the sending direction: what is queued is still delivered, then FIN. It allocates
// nothing. See shutdown(2).
func (Real) ShutdownWrite(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

// Sockname returns the address fd is bound to, an IPv4-mapped one as IPv4. It allocates nothing unless
// the address has a zone. See getsockname(2).
func (Real) Sockname(fd int) (netip.AddrPort, error) { return name(unix.SYS_GETSOCKNAME, fd) }

// Peername returns the address fd is connected to, an IPv4-mapped one as IPv4. It allocates nothing
// unless the address has a zone. See getpeername(2).
func (Real) Peername(fd int) (netip.AddrPort, error) { return name(unix.SYS_GETPEERNAME, fd) }
