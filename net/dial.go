package corenet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/percore/percore/internal/driver/socket"
	"github.com/percore/percore/runtime"
)

// Dial is Dialer{}.Dial.
func Dial(core *coreruntime.Core, ctx context.Context, network, address string) (*Conn, error) {
	return Dialer{}.Dial(core, ctx, network, address)
}

// dialShareMin is the least time each of several addresses gets out of ctx's deadline.
const dialShareMin = 2 * time.Second

// errDialTimeout is the deadline of a dial's context, or an address's share of it.
var errDialTimeout = error(&timeoutError{"the connect took longer than its context allows"})

// Dial connects on core to address ("host:port", as net.Dial; network "tcp", "tcp4" or "tcp6"). A name is
// looked up by the standard resolver on an ordinary goroutine, and its addresses are tried in order. ctx
// ends the attempt; it has no effect on the connection afterwards. Errors are *net.OpError and wrap the
// cause: an errno, context.Canceled, os.ErrDeadlineExceeded. Task.
func (d Dialer) Dial(core *coreruntime.Core, ctx context.Context, network, address string) (*Conn, error) {
	if err := core.MustTask("Dial"); err != nil {
		return nil, err
	}
	remotes, err := lookup(core, ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctxError(ctx, err)}
	}
	var first error
	for i, remote := range remotes {
		c, err := d.try(core, ctx, network, remote, len(remotes)-i)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = &net.OpError{Op: "dial", Net: network, Addr: tcpAddr(remote), Err: err}
		}
		if ctx.Err() != nil || isCancel(err) {
			break
		}
	}
	return nil, first
}

// try connects to one of left addresses.
func (d Dialer) try(core *coreruntime.Core, ctx context.Context, network string, remote netip.AddrPort, left int) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, ctxError(ctx, err)
	}
	fd, err := d.socket(core, network, remote)
	if err != nil {
		return nil, err
	}
	a := &attempt{core: core, fd: int32(fd)}
	core.Admit(&a.place, a)
	defer a.end()
	if at, ok := ctx.Deadline(); ok {
		now := core.Now()
		span := core.Until(at) - now
		if left > 1 {
			span = min(span, max(span/time.Duration(left), dialShareMin))
		}
		core.SetTimer(&a.timer, now+span, a)
	}
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() {
			// A core that is gone has ended the attempt.
			_ = core.Post(func() { a.interrupt(ctxError(ctx, ctx.Err())) })
		})()
	}
	if err := a.connect(socket.AppendSockaddr(nil, remote)); err != nil {
		return nil, err
	}
	a.taken = true
	core.Count(coreruntime.ConnsDialed, 1)
	core.AddConns(1)
	return newConn(core, fd, d.Conn.withDefaults(), nil), nil
}

// socket makes the socket with its options; buffer sizes must be set before the handshake fixes the
// window scale (tcp(7)).
func (d Dialer) socket(core *coreruntime.Core, network string, remote netip.AddrPort) (int, error) {
	drv := core.Driver()
	fd, err := drv.Socket(network, remote)
	if err != nil {
		return -1, err
	}
	err = errors.Join(drv.SetBuffers(fd, d.RecvBuffer, d.SendBuffer), drv.SetNoDelay(fd, !d.Delay),
		setKeepAlive(drv, fd, d.KeepAlive))
	if err != nil {
		return -1, errors.Join(err, drv.CloseFD(fd))
	}
	return fd, nil
}

func isCancel(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, coreruntime.ErrStopped)
}

// ctxError prefers what the context says over what it led to.
func ctxError(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errDialTimeout
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// lookup turns address into what can be connected to. Literal addresses and numbers ask nobody.
func lookup(core *coreruntime.Core, ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	ip, ipErr := literal(network, host)
	if err == nil && ipErr == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip, uint16(port))}, nil
	}
	return coreruntime.Offload(core, func() ([]netip.AddrPort, error) {
		return resolve(ctx, network, host, service)
	})
}

// literal reads an IP address; no host at all means this machine.
func literal(network, host string) (netip.Addr, error) {
	if host != "" {
		return netip.ParseAddr(host)
	}
	if network == "tcp6" {
		return netip.IPv6Loopback(), nil
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
}

// resolve asks the resolver. It runs on an ordinary goroutine.
func resolve(ctx context.Context, network, host, service string) ([]netip.AddrPort, error) {
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil {
		return nil, err
	}
	if ip, err := literal(network, host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip, uint16(port))}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip"+network[len("tcp"):], host)
	if err != nil {
		return nil, err
	}
	out := make([]netip.AddrPort, 0, len(ips))
	for _, ip := range ips {
		out = append(out, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return out, nil
}
