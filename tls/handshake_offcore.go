package coretls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"

	"github.com/percore/percore/runtime"
)

// offcoreOwner is the core's side of a handshake on a goroutine. All three run
// on the core.
type offcoreOwner interface {
	// want says that the goroutine waits for bytes. The answer is one give.
	want()
	// output takes bytes to send. They are the owner's from here on.
	output(p []byte)
	// finished is the last call; nothing touches the tls.Conn any more.
	finished(err error)
}

// offcore runs one handshake on an ordinary goroutine, because it may call code
// that blocks: callbacks, keys of a foreign type. The two sides share no lock,
// so the core never waits:
//
//	goroutine  --Post(want)----> core     the goroutine waits on `in`
//	goroutine  <--in (cap 1)---- core     one answer to one want: never full
//	goroutine  --Post(output)--> core
//	goroutine  --Post(finished)> core
type offcore struct {
	core  *coreruntime.Core
	owner offcoreOwner
	in    chan []byte // nil slice: the peer ended its direction; closed: give up
	rest  []byte      // the goroutine's
	over  bool        // the core's: in is closed
}

// errHandshakeEnded is what the goroutine reads when the core has given up; the
// core knows the true reason.
var errHandshakeEnded = errors.New("tls: the connection ended during the handshake")

func startOffcore(core *coreruntime.Core, owner offcoreOwner, conn *tls.Conn, s *shim) *offcore {
	o := &offcore{core: core, owner: owner, in: make(chan []byte, 1)}
	s.src = o
	go o.run(conn)
	return o
}

func (o *offcore) run(conn *tls.Conn) {
	err := errors.New("tls: a callback of the tls.Config ended the handshake's goroutine")
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("tls: a callback of the tls.Config panicked: %v", v)
		}
		// The only error is that the core has stopped: it wants no news then.
		_ = o.core.Post(func() { o.owner.finished(err) })
	}()
	err = conn.Handshake()
}

// read implements source, on the goroutine.
func (o *offcore) read(p []byte) (int, error) {
	if len(o.rest) == 0 {
		if err := o.core.Post(o.owner.want); err != nil {
			return 0, err
		}
		b, ok := <-o.in
		if !ok {
			return 0, errHandshakeEnded
		}
		if b == nil {
			return 0, io.EOF
		}
		o.rest = b
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// write implements sink, on the goroutine. crypto/tls reuses p.
func (o *offcore) write(p []byte) {
	p = append([]byte(nil), p...)
	_ = o.core.Post(func() { o.owner.output(p) })
}

// give answers a want; the goroutine owns p from here on. Core.
func (o *offcore) give(p []byte) {
	select {
	case o.in <- p:
	default:
		panic("BUG: two answers to one want of a handshake")
	}
}

// stop makes the goroutine's next read fail. Core; idempotent.
func (o *offcore) stop() {
	if !o.over {
		o.over = true
		close(o.in)
	}
}
