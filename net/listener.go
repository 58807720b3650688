package corenet

import (
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/runtime"
)

// Listener is a group of listening sockets, one on every core of a runtime, bound to one address with
// SO_REUSEPORT: the kernel spreads connections over them by a hash (socket(7)).
type Listener struct {
	rt      *coreruntime.Runtime
	network string
	conn    *ConnConfig
	addr    *net.TCPAddr
	members []*CoreListener

	acceptedMax int
	connsMax    int          // 0: no limit
	surplusMax  int          // negative: no rebalancing
	backlog     int          // what a multishot accept may take at once
	paused      atomic.Int32 // members whose gauge says so
	borrowers   atomic.Int32 // members whose gauge says that they borrow
	serving     atomic.Bool
	closeAsked  atomic.Bool
	left        atomic.Int32  // members that are not closed
	done        chan struct{} // closed with the last member
	err         atomic.Pointer[error]
}

// Listen is ListenConfig{}.Listen.
func Listen(rt *coreruntime.Runtime, network, address string) (*Listener, error) {
	return ListenConfig{}.Listen(rt, network, address)
}

// Listen binds one socket for every core of rt, all of them in core order, before any of them takes a
// connection; port 0 is resolved once for the group. network is "tcp", "tcp4" or "tcp6", address as in
// net.Listen; "tcp" with an unspecified address takes both families. The first socket is bound
// exclusively: while another instance has the address the error wraps syscall.EADDRINUSE. Connections are
// taken from the kernel on the cores where Accept is called, or on all with Serve. Any goroutine.
func (lc ListenConfig) Listen(rt *coreruntime.Runtime, network, address string) (*Listener, error) {
	fail := func(addr net.Addr, err error) (*Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
	}
	want, err := net.ResolveTCPAddr(network, address)
	if err != nil {
		return fail(nil, err)
	}
	l := lc.group(rt, network)
	if err := l.bindAll(lc, want.AddrPort()); err != nil {
		l.closeFDs()
		return fail(want, err)
	}
	if err := l.admitAll(); err != nil {
		return fail(want, err)
	}
	return l, nil
}

func (lc ListenConfig) group(rt *coreruntime.Runtime, network string) *Listener {
	l := &Listener{
		rt: rt, network: network, conn: lc.Conn.withDefaults(), done: make(chan struct{}),
		acceptedMax: lc.AcceptedMax, connsMax: max(lc.ConnsMax, 0), surplusMax: lc.SurplusMax, backlog: lc.Backlog,
	}
	orInt(&l.acceptedMax, defaultAcceptedMax)
	orInt(&l.backlog, backlogUsual)
	if l.surplusMax == 0 {
		l.surplusMax = defaultSurplusMax
	}
	return l
}

// bindAll makes the whole group, then lets it listen.
func (l *Listener) bindAll(lc ListenConfig, addr netip.AddrPort) error {
	for i, core := range l.rt.Cores() {
		spec := driver.ListenSpec{
			Network: l.network, Addr: addr, Backlog: lc.Backlog, NoDelay: !lc.Delay,
			Exclusive: i == 0 && !lc.ShareAcrossProcesses,
			RecvBuf:   lc.RecvBuffer, SendBuf: lc.SendBuffer,
		}
		fd, bound, err := core.Driver().Listen(spec)
		if err != nil {
			return err
		}
		l.members = append(l.members, &CoreListener{group: l, core: core, fd: int32(fd)})
		if err := setKeepAlive(core.Driver(), fd, lc.KeepAlive); err != nil {
			return fmt.Errorf("setting keep-alive: %w", err)
		}
		if i == 0 {
			l.addr = boundAddr(bound)
			addr = netip.AddrPortFrom(addr.Addr(), bound.Port())
		}
	}
	for _, m := range l.members {
		if err := m.core.Driver().StartListen(int(m.fd), lc.Backlog); err != nil {
			return err
		}
	}
	return nil
}

// boundAddr keeps "::" of a dual-stack socket as the standard library shows it.
func boundAddr(ap netip.AddrPort) *net.TCPAddr { return net.TCPAddrFromAddrPort(ap) }

func (l *Listener) closeFDs() {
	for _, m := range l.members {
		// The group never came to be; the error that matters is the one being returned.
		_ = m.core.Driver().CloseFD(int(m.fd))
	}
}

// admitAll makes every member a resident of its core. When a core is gone, it closes the whole group.
func (l *Listener) admitAll() error {
	l.left.Store(int32(len(l.members)))
	for i, m := range l.members {
		if err := m.onCore(m.admit); err != nil {
			for _, late := range l.members[i:] {
				late.drop()
			}
			_ = l.Close() // the others
			return err
		}
	}
	return nil
}

// Addr returns the group's address, with the port the kernel chose for port 0. Any goroutine.
func (l *Listener) Addr() net.Addr { return l.addr }

// On returns the group's member on c. Any goroutine.
func (l *Listener) On(c *coreruntime.Core) *CoreListener {
	if id := c.ID(); c.Runtime() == l.rt && id < len(l.members) {
		return l.members[id]
	}
	panic("percore: Listener.On was given a core of another runtime than Listen")
}

// Serve gives every connection of every core to a Protocol made by open, which runs on the core and must
// not block. It returns at once; connections run until they end, Close only stops new ones. Any
// goroutine, once, instead of Accept.
func (l *Listener) Serve(open func(c *coreruntime.Core) Protocol) error {
	if l.closeAsked.Load() {
		return l.opError("serve", net.ErrClosed)
	}
	if l.serving.Swap(true) {
		return l.opError("serve", errServing)
	}
	for _, m := range l.members {
		if err := m.onCore(func() { m.serve(open) }); err != nil {
			return l.opError("serve", err)
		}
	}
	return nil
}

// Close stops taking connections and closes the sockets; parked Accept calls return an error that wraps
// net.ErrClosed, and connections that nobody has accepted are closed. A goroutine outside the cores
// waits until the address is free; on a core Close returns at once. Any goroutine; a second call returns
// net.ErrClosed.
func (l *Listener) Close() error {
	if l.closeAsked.Swap(true) {
		return l.opError("close", net.ErrClosed)
	}
	for _, m := range l.members {
		if m.onCore(m.close) != nil {
			continue // its core is gone and has closed it
		}
	}
	if l.onAnyCore() {
		return nil
	}
	select {
	case <-l.done:
	case <-l.rt.Done():
	}
	return nil
}

// Done returns a channel that is closed when no socket of the group is left: after Close, when the runtime stops,
// or when every one of them has failed. Err says which. Any goroutine.
func (l *Listener) Done() <-chan struct{} { return l.done }

// Err returns nil until Done, and then why the group is closed: the error wraps net.ErrClosed, also
// coreruntime.ErrStopped when the runtime closed it, or the errno of the last socket that failed. Any goroutine.
func (l *Listener) Err() error {
	select {
	case <-l.done:
	default:
		return nil
	}
	if why := l.err.Load(); why != nil && !l.closeAsked.Load() {
		return l.opError("accept", *why)
	}
	return l.opError("accept", net.ErrClosed)
}

func (l *Listener) onAnyCore() bool {
	for _, m := range l.members {
		if m.core.Check("Listener.Close") == nil {
			return true
		}
	}
	return false
}

func (l *Listener) memberClosed() {
	if l.left.Add(-1) == 0 {
		close(l.done)
	}
}

func (l *Listener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: l.network, Addr: l.addr, Err: err}
}

// onCore runs fn on the member's core: at once when the caller is there, else with its next turn.
func (m *CoreListener) onCore(fn func()) error {
	if m.core.Check("Listener") == nil {
		fn()
		return nil
	}
	return m.core.Post(fn)
}
