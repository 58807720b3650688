package corenet

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/runtime"
)

// attempt is one connect under way. It owns the descriptor until the connection takes it; when the task
// goes away earlier, it stays on the core until the kernel has answered.
type attempt struct {
	core  *coreruntime.Core
	place coreruntime.Resident
	timer coreruntime.Timer
	wait  coreruntime.Waiter
	op    driver.Token
	fd    int32
	errno unix.Errno
	why   error // interrupted
	taken bool  // the connection has the descriptor
	left  bool  // the task has gone
}

// connect parks until the kernel has answered or the attempt was interrupted.
func (a *attempt) connect(sockaddr []byte) error {
	a.op = a.core.Submit(driver.Op{Code: driver.Connect, FD: a.fd, Buf: sockaddr}, a, opConnect)
	for a.op != driver.NoToken && a.why == nil {
		if err := a.wait.Park(a.core); err != nil {
			return err
		}
	}
	if a.op != driver.NoToken {
		return a.why
	}
	if a.errno != 0 {
		return sysError("connect", a.errno)
	}
	return nil
}

// Complete takes the kernel's answer.
func (a *attempt) Complete(_ uint8, cq driver.Completion) {
	a.op, a.errno = driver.NoToken, cq.Errno()
	a.wait.Wake()
	if a.left {
		a.leave()
	}
}

// interrupt ends the waiting for why.
func (a *attempt) interrupt(why error) {
	if a.why == nil && !a.left {
		a.why = why
		a.wait.Wake()
	}
}

// Expire ends the attempt's share of time.
func (a *attempt) Expire(*coreruntime.Timer, time.Duration) { a.interrupt(errDialTimeout) }

// end is the task's last act, also when it ends while parked.
func (a *attempt) end() {
	a.left = true
	a.core.StopTimer(&a.timer)
	if a.op == driver.NoToken {
		a.leave()
		return
	}
	a.core.CancelOp(a.op)
}

func (a *attempt) leave() {
	if !a.taken {
		_ = a.core.Driver().CloseFD(int(a.fd)) // never connected, or nobody wants it
	}
	a.core.Leave(&a.place)
}

// Drain leaves the end to the task, which is canceled.
func (a *attempt) Drain(time.Duration) {}

// Abort asks the kernel to answer now.
func (a *attempt) Abort(time.Duration) { a.core.CancelOp(a.op) }
