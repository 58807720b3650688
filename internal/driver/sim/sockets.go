package sim

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// Listen, StartListen, Socket and the rest implement driver.Sockets on the world's memory, with the
// meaning of internal/driver/socket. All of them may be called from any goroutine.
func (d *Driver) Listen(spec driver.ListenSpec) (int, netip.AddrPort, error) {
	w := d.w
	w.mu.Lock()
	defer w.mu.Unlock()
	s, err := w.listen(spec)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	fd, errno := w.allocate(s)
	if errno != 0 {
		w.unlisten(s)
		return -1, netip.AddrPort{}, fmt.Errorf("percore: listen %s: %w", spec.Addr, errno)
	}
	return fd, s.local, nil
}

// StartListen puts fd into the listening state, or changes its backlog.
func (d *Driver) StartListen(fd, backlog int) error {
	return d.on(fd, func(s *socket) unix.Errno {
		if s.listener == nil {
			return unix.EINVAL
		}
		s.start(backlog)
		return 0
	})
}

// Socket makes an unconnected socket.
func (d *Driver) Socket(network string, remote netip.AddrPort) (int, error) {
	w := d.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if !remote.Addr().IsValid() {
		return -1, fmt.Errorf("percore: socket %s: no address given", network)
	}
	fd, errno := w.allocate(w.newSocket())
	if errno != 0 {
		return -1, fmt.Errorf("percore: socket %s: %w", network, errno)
	}
	return fd, nil
}

// CloseFD takes the descriptor away. As in the kernel, ops in flight keep the socket until they end.
func (d *Driver) CloseFD(fd int) error {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	return asError(d.w.free(fd))
}

// ShutdownWrite ends the sending direction after what is queued.
func (d *Driver) ShutdownWrite(fd int) error { return d.on(fd, (*socket).shutdownWrite) }

// Sockname returns the local address.
func (d *Driver) Sockname(fd int) (addr netip.AddrPort, err error) {
	err = d.on(fd, func(s *socket) unix.Errno { addr = s.local; return 0 })
	return addr, err
}

// Peername returns the remote address of a connected socket.
func (d *Driver) Peername(fd int) (addr netip.AddrPort, err error) {
	err = d.on(fd, func(s *socket) unix.Errno {
		if s.state != connected || s.dead {
			return unix.ENOTCONN
		}
		addr = s.remote
		return 0
	})
	return addr, err
}

// SetNoDelay has no effect: the network is instant.
func (d *Driver) SetNoDelay(fd int, on bool) error { return d.on(fd, noEffect) }

// SetKeepAlive has no effect: a peer in memory does not vanish.
func (d *Driver) SetKeepAlive(fd int, on bool, idle, interval time.Duration, count int) error {
	return d.on(fd, noEffect)
}

// SetBuffers sets the queues in bytes, exactly (the kernel doubles them); 0 leaves one as it is.
func (d *Driver) SetBuffers(fd, recv, send int) error {
	return d.on(fd, func(s *socket) unix.Errno { s.setBuffers(recv, send); return 0 })
}

// SetLingerAbort makes close reset the connection.
func (d *Driver) SetLingerAbort(fd int) error {
	return d.on(fd, func(s *socket) unix.Errno { s.abort = true; return 0 })
}

// SocketError returns the pending error and forgets it.
func (d *Driver) SocketError(fd int) unix.Errno {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	s := d.w.lookup(fd)
	if s == nil {
		return unix.EBADF
	}
	return s.takeErr()
}

// Unacked returns what waits in the sender's queue.
func (d *Driver) Unacked(fd int) (n int, err error) {
	err = d.on(fd, func(s *socket) unix.Errno {
		if s.state != connected {
			return unix.ENOTCONN
		}
		n = s.out.len() - s.out.arrived
		return 0
	})
	return n, err
}

// TrySend writes what fits.
func (d *Driver) TrySend(fd int, p []byte) (int, unix.Errno) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	s := d.w.lookup(fd)
	if s == nil {
		return 0, unix.EBADF
	}
	if len(p) > 0 && s.state == connected && d.w.sched.chance(d.w.sched.faults.TrySendFull) {
		n := d.w.sched.dice.IntN(len(p))
		if n == 0 {
			return 0, unix.EAGAIN
		}
		p = p[:n]
	}
	return s.send(p)
}

// on runs f with the socket of fd under the world's lock.
func (d *Driver) on(fd int, f func(*socket) unix.Errno) error {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	s := d.w.lookup(fd)
	if s == nil {
		return unix.EBADF
	}
	return asError(f(s))
}

func noEffect(*socket) unix.Errno { return 0 }

// asError keeps errno 0 from becoming a non-nil error.
func asError(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// setBuffers also reaches the pipes of a live connection.
func (s *socket) setBuffers(recv, send int) {
	if recv > 0 {
		s.rcvMax = recv
	}
	if send > 0 {
		s.sndMax = send
	}
	if s.state == connected {
		s.in.rcvMax, s.out.sndMax = s.rcvMax, s.sndMax
		s.in.move()
		s.wakeReaders()
		s.wakeWriters()
		s.peer.wakeWriters()
	}
}
