package corenet

import (
	"io"
	"net"
	"os"

	"github.com/percore/percore/internal/driver"
)

// Detached is a live connection without a core. Its owner must close FD.
type Detached struct {
	FD     int    // non-blocking, close-on-exec
	Unread []byte // received and not read: comes before anything read from FD
}

// Detach takes the connection out of its core without losing a byte: receiving is canceled and what the
// last completion carries is kept, output is sent to the end, and descriptor and unread bytes go to the
// caller. No call may be under way. Afterwards the Conn is unusable; a Protocol hears nothing more, not
// even Closed. When the task is canceled meanwhile the connection stays as it was. Task.
func (c *Conn) Detach() (*Detached, error) {
	if err := c.core.MustTask("Conn.Detach"); err != nil {
		return nil, err
	}
	switch {
	case c.phase != open:
		return nil, c.opError("detach", c.gone())
	case c.reading || c.writing || c.detaching:
		return nil, c.opError("detach", errBusy)
	}
	c.reading, c.writing, c.detaching = true, true, true
	defer c.stay()
	if err := c.quiesce(); err != nil {
		return nil, c.opError("detach", err)
	}
	d := &Detached{FD: int(c.fd), Unread: c.unread()}
	c.cause = errDetached
	c.depart()
	c.uncount()
	return d, nil
}

// quiesce parks until the kernel has nothing of this connection any more.
func (c *Conn) quiesce() error {
	c.timers()
	c.disarm()
	for !c.still() {
		if err := c.times.detach.Park(c.core); err != nil {
			return err
		}
		if c.phase != open {
			return c.gone()
		}
	}
	if c.recvErr != nil {
		return c.recvErr
	}
	return c.sendErr
}

// wakeDetach lets quiesce look again.
func (c *Conn) wakeDetach() {
	if c.detaching && c.still() {
		c.times.detach.Wake()
	}
}

// still reports whether the kernel has nothing of this connection and its protocol nothing more to send.
func (c *Conn) still() bool { return c.recvOp == driver.NoToken && c.outBytes == 0 && !c.dirty }

// stay ends Detach; when the connection did not leave it goes on receiving.
func (c *Conn) stay() {
	c.reading, c.writing, c.detaching = false, false, false
	if c.phase == open {
		c.queueResume()
		c.tend()
	}
}

// Std detaches the connection and returns it as an ordinary net.Conn for any goroutine, with unread bytes
// first. Task.
func (c *Conn) Std() (net.Conn, error) {
	d, err := c.Detach()
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(d.FD), "percore detached connection")
	defer f.Close() // FileConn has its own descriptor
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, &net.OpError{Op: "detach", Net: c.network(), Err: err}
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok || len(d.Unread) == 0 {
		return nc, nil
	}
	return &replayConn{TCPConn: tcp, unread: d.Unread}, nil
}

// replayConn returns the unread bytes of a detached connection before those of its socket.
type replayConn struct {
	*net.TCPConn
	unread []byte
}

func (r *replayConn) Read(p []byte) (int, error) {
	if len(r.unread) == 0 {
		return r.TCPConn.Read(p)
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

func (r *replayConn) WriteTo(w io.Writer) (int64, error) {
	n := 0
	if len(r.unread) > 0 { // to some writers an empty write means something
		var err error
		n, err = w.Write(r.unread)
		r.unread = r.unread[n:]
		if err != nil {
			return int64(n), err
		}
	}
	m, err := r.TCPConn.WriteTo(w)
	return int64(n) + m, err
}
