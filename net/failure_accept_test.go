package corenet_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// Every errno that accept(2) may return, many times over, put before the real kernel's answers: accepting goes on when
// they end, no connection is lost, and none of them makes the core spin.
func TestAcceptErrors(t *testing.T) {
	for _, tt := range []struct {
		errno  unix.Errno
		pauses bool // at the first one
	}{
		{unix.EMFILE, true}, {unix.ENFILE, true}, {unix.ENOMEM, true}, {unix.ENOBUFS, true},
		{unix.ECONNABORTED, false}, {unix.EPROTO, false}, {unix.EPERM, false}, {unix.ENETDOWN, false},
		{unix.EHOSTUNREACH, false}, {unix.ETIMEDOUT, false}, {unix.EINTR, false}, {unix.EAGAIN, false},
	} {
		t.Run(unix.ErrnoName(tt.errno), func(t *testing.T) {
			log := &bytes.Buffer{}
			cfg := coreruntime.Config{Logger: slog.New(slog.NewTextHandler(log, nil))}
			onRealCores(t, cfg, func(t *testing.T, r *realCore) {
				log.Reset()
				refuseAccepts(t, r, tt.errno, tt.pauses)
				if n := strings.Count(log.String(), "\n"); n != 1 {
					t.Errorf("%d lines of log:\n%s", n, log)
				}
			})
		})
	}
}

// refuseAccepts answers accepts with errno for a second and looks at how many there were.
func refuseAccepts(t *testing.T, r *realCore, errno unix.Errno, pauses bool) {
	const span, step = time.Second, 100 * time.Microsecond
	refusing, refused := true, 0
	r.spy.onSubmit = func(op driver.Op) bool {
		if op.Code != driver.Accept || !refusing {
			return false
		}
		refused++
		r.spy.own = append(r.spy.own, driver.Completion{Token: op.Token, Res: -int32(errno), Bid: driver.NoBuffer})
		return true
	}
	ln, _ := r.serve(0, corenet.ListenConfig{}, openEcho)
	var waiting []*client
	for range 10 {
		waiting = append(waiting, connect(t, ln.Addr()))
	}
	for end := r.now + span; r.now < end; r.now += step {
		r.turn()
	}
	most := 12 // pauses double from 5 ms to 1 s
	if !pauses {
		most = 700 // 101 in each window of 100 ms, and between them the same pauses
	}
	if refused < 5 || refused > most {
		t.Errorf("accept was tried %d times in %v, at most %d times are meant", refused, span, most)
	}
	if n := r.count(coreruntime.AcceptErrors); n != refused && n != refused-1 { // the last may be on its way
		t.Errorf("%d errors are counted, there were %d", n, refused)
	}
	refusing = false
	for end := r.now + 2*span; r.now < end && r.count(coreruntime.ConnsAccepted) < len(waiting); r.now += step {
		r.turn()
	}
	r.exchangeAll(waiting, 10, 100)
	more := r.connect(ln, 10)
	r.exchangeAll(more, 10, 100)
	closeAll(append(waiting, more...))
	r.settle()
}
