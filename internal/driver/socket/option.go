package socket

import (
	"time"

	"golang.org/x/sys/unix"
)

// SetNoDelay turns Nagle's algorithm off (on = true) or on. See tcp(7), TCP_NODELAY.
func (Real) SetNoDelay(fd int, on bool) error {
	return setInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, boolInt(on))
}

// SetKeepAlive turns probing of a quiet peer on or off: after idle, every interval, giving up after count
// lost probes. Both durations are rounded up to whole seconds; a value <= 0 leaves the system's. See
// tcp(7), TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT.
func (Real) SetKeepAlive(fd int, on bool, idle, interval time.Duration, count int) error {
	if err := setInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, boolInt(on)); err != nil || !on {
		return err
	}
	if err := setPositive(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds(idle)); err != nil {
		return err
	}
	if err := setPositive(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(interval)); err != nil {
		return err
	}
	return setPositive(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, count)
}

// SetBuffers sets the kernel's receive and send buffer in bytes; a value <= 0 leaves the system's choice,
// which also keeps its automatic growth. See socket(7), SO_RCVBUF and SO_SNDBUF.
func (Real) SetBuffers(fd, recv, send int) error {
	if err := setPositive(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, recv); err != nil {
		return err
	}
	return setPositive(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, send)
}

// SetLingerAbort makes the close of fd throw away what is queued and reset the connection. See socket(7),
// SO_LINGER with a time of 0.
func (Real) SetLingerAbort(fd int) error {
	return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// SocketError returns and clears the pending error of fd, 0 if there is none; it is itself an error when
// fd is no socket. See socket(7), SO_ERROR.
func (Real) SocketError(fd int) unix.Errno {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if errno, ok := err.(unix.Errno); ok {
		return errno
	}
	return unix.Errno(n)
}

// Unacked returns how many bytes of the send queue the peer has not acknowledged. See tcp(7), SIOCOUTQ.
func (Real) Unacked(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.SIOCOUTQ) }

func setInt(fd, level, opt, value int) error { return unix.SetsockoptInt(fd, level, opt, value) }

func setPositive(fd, level, opt, value int) error {
	if value <= 0 {
		return nil
	}
	return setInt(fd, level, opt, value)
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
