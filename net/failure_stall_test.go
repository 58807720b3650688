package corenet_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// A peer that reads slowly, but reads, is not stalled: the kernel says that a full socket has room only when a third of
// its buffer, which may be megabytes, is free (sk_stream_is_writeable).
func TestSlowPeerIsNotStalled(t *testing.T) {
	const stallMax = time.Second
	onRealCores(t, coreruntime.Config{}, func(t *testing.T, r *realCore) {
		var s *script
		lc := corenet.ListenConfig{SendBuffer: 1 << 20, Conn: corenet.ConnConfig{WriteStallMax: stallMax}}
		_, clients := r.serve(1, lc, func() corenet.Protocol {
			s = &script{out: pattern(8 << 20), outMax: 64 << 10}
			return s
		})
		s.conn.Touch()
		r.settle()
		for range 40 {
			r.now += stallMax / 10
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(clients[0].fd), Events: unix.POLLIN}}, int(testMax/time.Millisecond))
			if _, err := unix.Read(clients[0].fd, make([]byte, 8<<10)); err != nil {
				t.Fatalf("the peer read %v; the protocol heard %q, %v", err, s.events, s.err)
			}
			r.settle()
		}
		before := r.now
		r.now += stallMax / 2
		r.settle()
		if len(s.events) > 1 {
			t.Fatalf("%v after the peer's last read the protocol heard %q", r.now-before, s.events)
		}
		for r.now < before+2*stallMax {
			r.now += stallMax / 10
			r.settle()
		}
		if !errors.Is(s.err, os.ErrDeadlineExceeded) {
			t.Errorf("%v after the peer's last read the protocol heard %q and %v", r.now-before, s.events, s.err)
		}
		closeAll(clients)
	})
}
