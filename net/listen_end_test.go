package corenet_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// A group that comes to a core after its last turn would have nobody to close it.
func TestListenAtTheVeryEndLeavesNoSocket(t *testing.T) {
	var ln *corenet.Listener
	t.Cleanup(func() { // after the core's end
		within(t, ln.Done(), "the end of the group")
		if err := ln.Err(); !errors.Is(err, coreruntime.ErrStopped) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("the group ended with %v", err)
		}
	})
	s := newSim(t, coreruntime.Config{}) // checks the descriptors at its end, which comes before any turn
	listened := make(chan error, 1)
	go func() {
		var err error
		ln, err = corenet.Listen(s.Runtime(), "tcp", "127.0.0.1:0")
		listened <- err
	}()
	if err := within(t, listened, "Listen"); err != nil {
		t.Fatal(err)
	}
}

// A core in the middle is gone: the sockets of those after it, which may live, are closed once, and so are
// those of the ones before it.
func TestListenWithACoreGone(t *testing.T) {
	leak.Check(t)
	var log bytes.Buffer
	w := sim.New(1)
	var drivers []driver.Driver
	for i := range 3 {
		drivers = append(drivers, w.Driver(i, sim.Config{}))
	}
	cores := coreruntime.NewManuals(coreruntime.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, drivers...)
	if err := cores[1].CloseManual(); err != nil {
		t.Fatal(err)
	}
	listened := make(chan error, 1)
	go func() {
		_, err := corenet.Listen(cores[0].Runtime(), "tcp", "127.0.0.1:0")
		listened <- err
	}()
	var err error
	for now, waiting := time.Duration(0), true; waiting; now += time.Millisecond {
		cores[0].Turn(now)
		cores[2].Turn(now)
		select {
		case err = <-listened:
			waiting = false
		case <-time.After(time.Millisecond):
		}
		if now > testMax {
			t.Fatal("Listen does not return")
		}
	}
	if !errors.Is(err, coreruntime.ErrStopped) {
		t.Errorf("Listen: %v", err)
	}
	for _, c := range []*coreruntime.Core{cores[0], cores[2]} {
		if err := c.CloseManual(); err != nil {
			t.Error(err)
		}
	}
	if n := w.OpenFDs(); n != 0 || log.Len() > 0 {
		t.Errorf("%d descriptors are open; log: %s", n, &log)
	}
}

// At the limit of descriptors accepting and pausing take turns; the log must not follow them.
func TestAcceptPausesAreLoggedSeldom(t *testing.T) {
	var log bytes.Buffer
	s := newSim(t, coreruntime.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ln := s.listen(corenet.ListenConfig{})
	accepted := 0
	s.Go("accept", func() {
		_ = acceptLoop(s.Core, ln, func(c *corenet.Conn) {
			accepted++
			_, _ = c.Read(make([]byte, 1))
			_ = c.Close()
		})
	})
	s.settle()
	s.world.SetDescriptorsMax(2) // the listener and one connection
	const rounds = 20
	last := s.dial(ln)
	for range rounds {
		next := s.dial(ln)
		s.pass(20 * time.Millisecond) // refused meanwhile
		last.Close()
		s.pass(30 * time.Millisecond)
		last = next
	}
	if accepted < rounds {
		t.Fatalf("accepted %d connections, %d were to take turns", accepted, rounds)
	}
	if n := strings.Count(log.String(), "pauses"); n != 1 {
		t.Errorf("%d warnings within a second:\n%s", n, &log)
	}
	last.Close()
	_ = ln.Close()
	s.pass(time.Second)
}

// One warning and an end for a socket that somebody has broken; the other cores go on, and the group ends with the last.
func TestBrokenListeningSockets(t *testing.T) {
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		ln := serve(t, rt, corenet.ListenConfig{}, echo)
		exchangeByte(t, dialStd(t, ln.Addr()))
		broken := listening(t)
		if len(broken) != 2 {
			t.Fatalf("found the listening sockets %v, want two", broken)
		}
		shutdown(t, broken[0])
		for n := 0; ; n++ { // the kernel takes it out of the group
			c := dialStd(t, ln.Addr())
			exchangeByte(t, c)
			c.Close()
			if n == 20 {
				break
			}
		}
		if err := ln.Err(); err != nil {
			t.Fatalf("one of two sockets is broken, the group says %v", err)
		}
		shutdown(t, broken[1])
		within(t, ln.Done(), "the end of the group")
		if err := ln.Err(); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("the group ended with %v", err)
		}
	})
}
