package corenet_test

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// echoFrom tells its client the core first.
func echoFrom(c *corenet.Conn) {
	if _, err := c.Write([]byte{byte(c.Core().ID())}); err == nil {
		echo(c)
	}
}

// pingPong sends one byte and wants it back.
func pingPong(t *testing.T, c net.Conn) {
	t.Helper()
	buf := []byte{'x'}
	if _, err := c.Write(buf); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, buf); err != nil || buf[0] != 'x' {
		t.Fatalf("%q, %v", buf, err)
	}
}

// coreOf reads what echoFrom says first.
func coreOf(t *testing.T, c net.Conn) int {
	t.Helper()
	buf := make([]byte, 1)
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Fatal(err)
	}
	return int(buf[0])
}

// oneOnEach dials until a connection is on each of two cores; the kernel's hash spreads them.
func oneOnEach(t *testing.T, addr net.Addr) (on [2]net.Conn) {
	t.Helper()
	for range 100 {
		c := dialStd(t, addr)
		on[coreOf(t, c)] = c
		if on[0] != nil && on[1] != nil {
			return on
		}
	}
	t.Fatal("100 connections are all on one core")
	return on
}

// A task that computes without parking holds its core: the watchdog says which, who and where, once for
// each time. The other core goes on, and afterwards nothing on the held core is lost: neither bytes nor
// connections that the kernel took meanwhile.
func TestATaskThatHoldsItsCore(t *testing.T) {
	const holdMax = 200 * time.Millisecond
	stalls := make(chan coreruntime.Stall, 100)
	cfg := coreruntime.Config{Cores: 2, StallMax: holdMax, OnStall: func(s coreruntime.Stall) {
		if s.Task == "holds the core" { // a loaded machine stalls others for real
			stalls <- s
		}
	}}
	onDrivers(t, cfg, func(t *testing.T, rt *coreruntime.Runtime) {
		addr := serve(t, rt, corenet.ListenConfig{SurplusMax: -1}, echoFrom).Addr()
		on := oneOnEach(t, addr)
		for range 2 {
			var release atomic.Bool
			defer release.Store(true)
			if err := rt.Core(0).Post(func() { rt.Core(0).Go("holds the core", func() { spinUntil(&release) }) }); err != nil {
				t.Fatal(err)
			}
			s := within(t, stalls, "the report")
			if s.Core != 0 || s.Deadlock || s.For < holdMax || !strings.HasPrefix(s.State, "run") || !strings.Contains(s.Stack, "spinUntil") {
				t.Errorf("stall: %v\n%s", s, s.Stack)
			}
			if _, err := on[0].Write([]byte{'x'}); err != nil {
				t.Fatal(err)
			}
			late := make([]net.Conn, 24) // all but one in 2^23 times some are on either core
			for i := range late {
				late[i] = dialStd(t, addr)
			}
			for begin := time.Now(); time.Since(begin) < 3*holdMax; {
				pingPong(t, on[1])
			}
			release.Store(true)
			buf := make([]byte, 1)
			if _, err := io.ReadFull(on[0], buf); err != nil || buf[0] != 'x' {
				t.Fatalf("the held core's connection: %q, %v", buf, err)
			}
			var served [2]int
			for _, c := range late {
				served[coreOf(t, c)]++
				pingPong(t, c)
			}
			if served[0] == 0 || served[1] == 0 {
				t.Errorf("the cores served %v of the late connections", served)
			}
			if n := len(stalls); n != 0 {
				t.Errorf("the same stall was reported %d times more", n)
			}
		}
	})
}

func spinUntil(release *atomic.Bool) {
	for !release.Load() {
	}
}
