package uring

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// sweepPair opens a driver with a quick sweep and arms a receive on one end of a socket pair, which has brought data.
func sweepPair(t *testing.T, body func(d *Driver, recv driver.Token, ours, theirs int)) {
	t.Helper()
	onThread(t, Config{}, func(d *Driver) {
		d.sweep.open(5 * time.Millisecond)
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(ends[0])
		recv := token(kindRecv, 7)
		d.Submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(ends[0]), Token: recv})
		sendAndAwait(t, d, ends[1])
		body(d, recv, ends[0], ends[1])
	})
}

func sendAndAwait(t *testing.T, d *Driver, fd int) {
	t.Helper()
	if _, err := unix.Write(fd, []byte("data")); err != nil {
		t.Fatal(err)
	}
	await(t, d, "the data", func(c driver.Completion) bool {
		d.Recycle(c.Bid)
		return c.Res == 4 && c.More
	})
}

// A kernel that forgets cannot be ordered. What stands for it: the descriptor gets another socket under the receive, one
// that is at its end, so poll(2) sees what the receive is never told.
func TestForgottenReceiveIsCanceled(t *testing.T) {
	sweepPair(t, func(d *Driver, recv driver.Token, ours, theirs int) {
		defer unix.Close(theirs)
		ended, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(ended[1])
		if err := unix.Dup3(ended[0], ours, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		unix.Close(ended[0])
		await(t, d, "the end of the receive", func(c driver.Completion) bool {
			return c.Token == recv && !c.More && c.Errno() == unix.ECANCELED
		})
		if n := d.Counters().Forgotten; n != 1 {
			t.Errorf("%d forgotten, want 1", n)
		}
		d.Submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(ours), Token: recv})
		await(t, d, "end of file", func(c driver.Completion) bool { return c.Token == recv && c.Res == 0 && !c.More })
	})
}

// The same with an accept: it has taken a connection, and then its descriptor means a socket with another one waiting.
func TestForgottenAcceptIsCanceled(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		d.sweep.open(5 * time.Millisecond)
		ln, addr := listen(t)
		defer unix.Close(ln)
		accept := token(kindAccept, 1)
		d.Submit(driver.Op{Code: driver.Accept, Multi: true, FD: int32(ln), Token: accept})
		call(t, addr)
		await(t, d, "the connection", func(c driver.Completion) bool {
			unix.Close(int(c.Res))
			return c.Token == accept && c.More
		})
		other, addr := listen(t)
		call(t, addr)
		if err := unix.Dup3(other, ln, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		unix.Close(other)
		await(t, d, "the end of the accept", func(c driver.Completion) bool {
			return c.Token == accept && !c.More && c.Errno() == unix.ECANCELED
		})
		d.Submit(driver.Op{Code: driver.Accept, Multi: true, FD: int32(ln), Token: accept})
		await(t, d, "the connection that waited", func(c driver.Completion) bool {
			unix.Close(int(c.Res))
			return c.Token == accept && c.Res >= 0
		})
	})
}

// call connects to addr and goes away.
func call(t *testing.T, addr netip.AddrPort) {
	t.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// A quiet receive is looked at once and then left alone: its core sleeps.
func TestSweepLeavesTheQuietAlone(t *testing.T) {
	sweepPair(t, func(d *Driver, recv driver.Token, ours, theirs int) {
		defer unix.Close(theirs)
		out := make([]driver.Completion, 8)
		for len(d.sweep.list) > 0 {
			if n, err := d.Wait(out, 1, time.Second); n != 0 || err != nil {
				t.Fatal(n, err)
			}
		}
		begin := time.Now()
		if n, err := d.Wait(out, 1, 50*time.Millisecond); n != 0 || err != nil || time.Since(begin) < 50*time.Millisecond {
			t.Errorf("%d completions, %v, after %v", n, err, time.Since(begin))
		}
		sendAndAwait(t, d, theirs)
		if n := d.Counters().Forgotten; n != 0 || len(d.sweep.list) != 1 {
			t.Errorf("%d forgotten, %d on the list", n, len(d.sweep.list))
		}
	})
}

// What is readable at one look and has brought a completion before the next is only busy.
func TestSweepSparesTheBusy(t *testing.T) {
	sweepPair(t, func(d *Driver, recv driver.Token, ours, theirs int) {
		defer unix.Close(theirs)
		for range 5 {
			if _, err := unix.Write(theirs, []byte("data")); err != nil {
				t.Fatal(err)
			}
			d.look() // the receive's task work has not run yet
			if s := d.sweep.slots[recv.Slot()]; !s.late || !s.listed {
				t.Fatalf("%+v: readable, and not noted", s)
			}
			await(t, d, "the data", func(c driver.Completion) bool {
				d.Recycle(c.Bid)
				return c.Res == 4 && c.More
			})
		}
		if n := d.Counters().Forgotten; n != 0 {
			t.Errorf("%d forgotten", n)
		}
	})
}

// A timer that the kernel refuses is no second look, and no reason to spin; the next data arms it again.
func TestSweepWithoutATimer(t *testing.T) {
	sweepPair(t, func(d *Driver, recv driver.Token, ours, theirs int) {
		defer unix.Close(theirs)
		good := d.sweep.pause
		d.sweep.pause.Nsec = -1 // EINVAL, see io_uring_prep_timeout(3)
		out := make([]driver.Completion, 8)
		if n, err := d.Wait(out, 1, -1); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		begin := time.Now()
		if n, err := d.Wait(out, 1, 30*time.Millisecond); n != 0 || err != nil || time.Since(begin) < 30*time.Millisecond {
			t.Errorf("%d completions, %v, after %v", n, err, time.Since(begin))
		}
		if len(d.sweep.list) != 1 {
			t.Errorf("%d on the list: looked at without a pause", len(d.sweep.list))
		}
		d.sweep.pause = good
		sendAndAwait(t, d, theirs)
		for len(d.sweep.list) > 0 {
			if n, err := d.Wait(out, 1, time.Second); n != 0 || err != nil {
				t.Fatal(n, err)
			}
		}
	})
}

// A slot that has gone on to another receive is judged by that one alone, and more slots than one poll(2) takes are
// all looked at.
func TestSweepOfManySlots(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(ends[0])
		defer unix.Close(ends[1])
		const slots = 2*pollMax + 3
		for slot := range uint32(slots) {
			d.sweep.watch(token(kindRecv, slot), int32(ends[0]))
			d.sweep.heard(token(kindRecv, slot), true)
		}
		d.sweep.heard(token(kindRecv, 1), false)
		d.sweep.watch(token(kindSend, 2), int32(ends[0]))
		d.sweep.heard(token(kindSend, 2), true)
		if n := len(d.sweep.list); n != slots {
			t.Fatalf("%d slots on the list, want each once: %d", n, slots)
		}
		if _, err := unix.Write(ends[1], []byte("x")); err != nil {
			t.Fatal(err)
		}
		lookInVain(t, d)
		if n := len(d.sweep.list); n != slots {
			t.Errorf("%d slots kept after a look that failed, want all: %d", n, slots)
		}
		d.look()
		if n := len(d.sweep.list); n != slots-1 {
			t.Errorf("%d slots kept, want all but the one that has ended: %d", n, slots-1)
		}
		d.look()
		if n := d.Counters().Forgotten; n != slots-1 || len(d.sweep.list) != 0 {
			t.Errorf("%d forgotten, %d on the list; want %d and none", n, len(d.sweep.list), slots-1)
		}
	})
}

// lookInVain looks under a limit at which poll(2) takes none of the descriptors.
func lookInVain(t *testing.T, d *Driver) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 2, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	d.look()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}
