package corenet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/runtime"
)

var (
	errBusy = errors.New("another task is parked in the same call of this connection: " +
		"give each direction to one task, or put a coreruntime.Mutex around it")
	errProtocolFace = errors.New("the connection has been given to a Protocol with Bind or Serve: " +
		"only that protocol may use it")
	errDetached = fmt.Errorf("the connection was detached from its core: %w", net.ErrClosed)
	errServing  = errors.New("the listener serves a Protocol (Serve): its connections are not for Accept or a second Serve")
	errStopping = fmt.Errorf("%w (%w)", net.ErrClosed, coreruntime.ErrStopped)
)

// timeoutError is a time limit of ours that ran out. To net.Error it is a timeout, to errors.Is a passed
// deadline, as of a file and as of a context.
type timeoutError struct{ what string }

func (e *timeoutError) Error() string   { return e.what }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return false }

func (e *timeoutError) Is(target error) bool {
	return target == os.ErrDeadlineExceeded || target == context.DeadlineExceeded
}

// opError is what every failed call of a connection returns.
func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// network is "tcp" until there is another kind.
func (c *Conn) network() string { return "tcp" }

// sysError names the system call that an errno came from; errors.Is finds the errno in it.
func sysError(call string, errno unix.Errno) error {
	return os.NewSyscallError(call, errno)
}

// must panics when a method without an error result is called from outside its core, where going on
// would corrupt the connection.
func (c *Conn) must(method string) {
	if err := c.core.Check(method); err != nil {
		panic(err)
	}
}
