package sim

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// A cancel that comes too late is told so in both ways, before its target's own result and after it.
func TestLateCancels(t *testing.T) {
	type outcome struct {
		first  bool // the cancel's completion came first
		answer unix.Errno
	}
	seen := map[outcome]int{}
	for seed := uint64(1); seed <= 64; seed++ {
		r := newRig(t, seed, Config{})
		r.w.SetFaults(Faults{CancelRace: always})
		r.say("x")
		target := r.submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(r.fd)})
		r.submit(driver.Op{Code: driver.Cancel, Target: target})
		a, b := r.patience(), r.patience()
		if a.Token == target {
			seen[outcome{false, b.Errno()}]++
		} else {
			seen[outcome{true, a.Errno()}]++
			a = b
		}
		if a.Res != 1 || a.Bid == driver.NoBuffer || a.More {
			t.Errorf("seed %d: the target ended with %+v", seed, a)
		}
		r.close()
	}
	for _, o := range []outcome{{false, unix.ENOENT}, {false, unix.EALREADY}, {true, unix.ENOENT}, {true, unix.EALREADY}} {
		if seen[o] == 0 {
			t.Errorf("%+v never happened", o)
		}
		delete(seen, o)
	}
	if len(seen) > 0 {
		t.Errorf("not legal: %v", seen)
	}
}

// An accept that a cancel comes too late for brings its connection.
func TestLateCancelOfAccept(t *testing.T) {
	r := newRig(t, 1, Config{})
	defer r.close()
	r.w.SetFaults(Faults{CancelRace: always})
	if _, err := r.w.Dial(r.addr); err != nil {
		t.Fatal(err)
	}
	target := r.submit(driver.Op{Code: driver.Accept, Multi: true, FD: int32(r.lfd)})
	r.submit(driver.Op{Code: driver.Cancel, Target: target})
	for range 2 {
		if c := r.patience(); c.Token == target {
			want(t, "a descriptor", c.Res > 0 && !c.More, true)
			want(t, "close", r.d.CloseFD(int(c.Res)), nil)
		}
	}
}

// Completions overtake those of other sockets, never those of their own direction, whether of one op or of several,
// and not when faults end while some are late.
func TestOrderWithinADirection(t *testing.T) {
	overtook := 0
	for seed := uint64(1); seed <= 200; seed++ {
		r := newRig(t, seed, Config{})
		peer, fd := r.connect()
		r.w.SetFaults(Faults{Delay: 400, Reorder: 700})
		overtook += playOrder(r, []*Peer{r.peer, peer}, []int{r.fd, fd})
		_ = r.d.CloseFD(fd)
		r.close()
	}
	want(t, "completions overtook others", overtook > 100, true)
}

// playOrder receives numbered bytes and an end of file on each connection, first with single ops and then, when the
// faults are over, with others. It returns how many completions came before those of ops that were submitted earlier.
func playOrder(r *rig, peers []*Peer, fds []int) (overtook int) {
	side, heard, newest := map[driver.Token]int{}, make([]int, len(fds)), uint32(0)
	for turn := range 100 {
		for i, p := range peers {
			if turn < 6 {
				_, _ = p.Write([]byte{byte(turn)})
				side[r.submit(driver.Op{Code: driver.Recv, FD: int32(fds[i])})] = i
			}
			if turn == 6 {
				_ = p.CloseWrite()
			}
		}
		if turn == 3 {
			r.w.SetFaults(Faults{})
		}
		for _, c := range r.wait() {
			i := side[c.Token]
			delete(side, c.Token)
			if c.Token.Slot() < newest {
				overtook++
			}
			newest = max(newest, c.Token.Slot())
			if c.Res == 0 {
				want(r.t, "bytes before the end of file", heard[i], 6)
				continue
			}
			for _, b := range r.d.Buffer(c.Bid)[:c.Res] {
				want(r.t, "the next byte", int(b), heard[i])
				heard[i]++
			}
			r.d.Recycle(c.Bid)
		}
	}
	want(r.t, "ops without a completion", len(side), 0)
	return overtook
}
