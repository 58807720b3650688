package sim

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

const always = 1024

// patience waits until a completion comes; faults may hold it back.
func (r *rig) patience() driver.Completion {
	r.t.Helper()
	out := make([]driver.Completion, 1)
	for range 1000 {
		if n, _ := r.d.Wait(out, 1, -1); n == 1 {
			return out[0]
		}
	}
	r.t.Fatal("no completion in 1000 turns")
	panic("unreachable")
}

func (r *rig) say(s string) {
	r.t.Helper()
	if n, err := r.peer.Write([]byte(s)); n != len(s) || err != nil {
		r.t.Fatal(n, err)
	}
}

// Each fault alone, at every chance it gets.
func TestEachFault(t *testing.T) {
	for name, tc := range map[string]struct {
		faults Faults
		run    func(r *rig)
	}{
		"short receive":     {Faults{ShortRecv: always}, playShortReceive},
		"short send":        {Faults{ShortSend: always}, playShortSend},
		"interrupted send":  {Faults{Interrupted: always}, playInterrupted},
		"lost more, recv":   {Faults{LostMore: always}, playLostMoreRecv},
		"lost more, accept": {Faults{LostMore: always}, playLostMoreAccept},
		"unasked, recv":     {Faults{Unasked: always}, playUnaskedRecv},
		"unasked, accept":   {Faults{Unasked: always}, playUnaskedAccept},
		"no buffers":        {Faults{NoBuffers: always}, playNoBuffers},
		"no data either":    {Faults{NoBuffers: always}, playNothingToReceive},
		"cancel race":       {Faults{CancelRace: always}, playCancelRace},
		"cancel refused":    {Faults{CancelRace: always}, playCancelRefused},
		"delay":             {Faults{Delay: always}, playDelay},
		"overflow":          {Faults{Overflow: always}, playOverflow},
		"inline send":       {Faults{TrySendFull: always}, playInlineSend},
		"early return":      {Faults{EarlyReturn: always}, playEarlyReturn},
		"stale":             {Faults{Stale: always}, playStale},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, Config{})
			r.w.SetFaults(tc.faults)
			tc.run(r)
			if err := r.d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func playShortReceive(r *rig) {
	r.say("hello")
	r.submit(driver.Op{Code: driver.Recv, FD: int32(r.fd)})
	if c := r.patience(); c.Res < 1 || c.Res > 4 {
		r.t.Errorf("received %d of 5", c.Res)
	}
}

func playShortSend(r *rig) {
	r.submit(driver.Op{Code: driver.Send, FD: int32(r.fd), Buf: []byte("hello")})
	if c := r.patience(); c.Res < 1 || c.Res > 4 {
		r.t.Errorf("sent %d of 5", c.Res)
	}
}

func playInterrupted(r *rig) {
	r.submit(driver.Op{Code: driver.Send, FD: int32(r.fd), Buf: []byte("hello")})
	if c := r.patience(); c.More || c.Errno() != unix.EINTR && c.Errno() != unix.EAGAIN {
		r.t.Errorf("%+v", c)
	}
	r.w.SetFaults(Faults{})
	r.submit(driver.Op{Code: driver.Send, FD: int32(r.fd), Buf: []byte("hello")})
	if c := r.patience(); c.Res != 5 {
		r.t.Errorf("%+v: nothing was sent by the send that was interrupted", c)
	}
}

func playLostMoreRecv(r *rig) {
	r.submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(r.fd)})
	r.say("x")
	if c := r.patience(); c.More || c.Res != 1 || c.Bid == driver.NoBuffer {
		r.t.Errorf("%+v", c)
	}
}

func playUnaskedRecv(r *rig) {
	r.submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(r.fd)})
	r.say("x")
	if c := r.patience(); c.More || c.Errno() != unix.ECANCELED || c.Bid != driver.NoBuffer {
		r.t.Errorf("%+v", c)
	}
	r.w.SetFaults(Faults{})
	r.submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(r.fd)})
	if c := r.patience(); !c.More || c.Res != 1 {
		r.t.Errorf("%+v: the data of the receive that ended is still to come", c)
	}
}

func playUnaskedAccept(r *rig) {
	r.submit(driver.Op{Code: driver.Accept, Multi: true, FD: int32(r.lfd)})
	if _, err := r.w.Dial(r.addr); err != nil {
		r.t.Fatal(err)
	}
	if c := r.patience(); c.More || c.Errno() != unix.ECANCELED {
		r.t.Errorf("%+v", c)
	}
	r.w.SetFaults(Faults{})
	r.submit(driver.Op{Code: driver.Accept, Multi: true, FD: int32(r.lfd)})
	if c := r.patience(); c.Res < 0 {
		r.t.Errorf("%+v: the connection is still to come", c)
	}
}

func playLostMoreAccept(r *rig) {
	r.submit(driver.Op{Code: driver.Accept, Multi: true, FD: int32(r.lfd)})
	if _, err := r.w.Dial(r.addr); err != nil {
		r.t.Fatal(err)
	}
	if c := r.patience(); c.More || c.Res < 0 {
		r.t.Errorf("%+v", c)
	}
}

func playNoBuffers(r *rig) {
	r.say("x")
	r.submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(r.fd)})
	if c := r.patience(); c.Errno() != unix.ENOBUFS || c.More || c.Bid != driver.NoBuffer {
		r.t.Errorf("%+v", c)
	}
}

func playNothingToReceive(r *rig) {
	r.submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(r.fd)})
	if c := r.patience(); c.Errno() != unix.ENOBUFS || c.More || c.Bid != driver.NoBuffer {
		r.t.Errorf("%+v", c)
	}
}

func playCancelRace(r *rig) {
	r.say("x")
	target := r.submit(driver.Op{Code: driver.Recv, FD: int32(r.fd)})
	cancel := r.submit(driver.Op{Code: driver.Cancel, Target: target})
	for range 2 {
		switch c := r.patience(); {
		case c.Token == target && (c.Res != 1 || c.More):
			r.t.Errorf("the target: %+v", c)
		case c.Token == cancel && c.Errno() != unix.ENOENT && c.Errno() != unix.EALREADY:
			r.t.Errorf("the cancel: %+v", c)
		}
	}
}

func playCancelRefused(r *rig) {
	target := r.submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(r.fd)})
	cancel := r.submit(driver.Op{Code: driver.Cancel, Target: target})
	for range 2 {
		switch c := r.patience(); {
		case c.Token == target && (c.Errno() != unix.ECANCELED || c.More):
			r.t.Errorf("the target: %+v", c)
		case c.Token == cancel && c.Errno() != unix.EALREADY:
			r.t.Errorf("the cancel: %+v", c)
		}
	}
}

func playDelay(r *rig) {
	r.submit(driver.Op{Code: driver.Send, FD: int32(r.fd), Buf: []byte("x")})
	if got := r.wait(); len(got) != 0 || !r.d.Pending() {
		r.t.Errorf("%v at once, pending %v", got, r.d.Pending())
	}
	if c := r.patience(); c.Res != 1 || r.d.Pending() {
		r.t.Errorf("%+v, pending %v", c, r.d.Pending())
	}
}

func playOverflow(r *rig) {
	for range 40 {
		r.submit(driver.Op{Code: driver.Send, FD: int32(r.fd), Buf: []byte("x")})
	}
	if got := r.wait(); len(got) > trickle || r.d.Counters().Overflows != 1 {
		r.t.Errorf("%d completions, %d overflows", len(got), r.d.Counters().Overflows)
	}
}

func playInlineSend(r *rig) {
	if n, errno := r.d.TrySend(r.fd, []byte("hello")); n == 5 || n == 0 && errno != unix.EAGAIN {
		r.t.Errorf("sent %d, %v", n, errno)
	}
}

func playEarlyReturn(r *rig) {
	r.submit(driver.Op{Code: driver.Send, FD: int32(r.fd), Buf: []byte("x")})
	if got := r.wait(); len(got) != 0 || !r.d.Pending() {
		r.t.Errorf("%v, pending %v", got, r.d.Pending())
	}
}

func playStale(r *rig) {
	first := r.submit(driver.Op{Code: driver.Send, FD: int32(r.fd), Buf: []byte("x")})
	r.patience()
	second := driver.NewToken(1, 2, first.Slot())
	r.d.Submit(driver.Op{Code: driver.Send, FD: int32(r.fd), Buf: []byte("y"), Token: second})
	got := []driver.Token{r.patience().Token, r.patience().Token}
	if !slices.Contains(got, first) || !slices.Contains(got, second) {
		r.t.Errorf("%v", got)
	}
}

// Accept fails in every way, and loses exactly the connections whose own fault it is.
func TestAcceptFaults(t *testing.T) {
	seen := map[unix.Errno]int{}
	for seed := range uint64(60) {
		r := newRig(t, seed, Config{})
		r.w.SetFaults(Faults{AcceptErrs: always})
		p, err := r.w.Dial(r.addr)
		if err != nil {
			t.Fatal(err)
		}
		r.submit(driver.Op{Code: driver.Accept, Multi: true, FD: int32(r.lfd)})
		c := r.patience()
		seen[c.Errno()]++
		_, err = p.Read(make([]byte, 1))
		if lost := c.Errno() == unix.ECONNABORTED || c.Errno() == unix.EPROTO; lost != (err == unix.ECONNRESET) || lost != p.Lost() || c.More {
			t.Errorf("accept: %v, the peer: %v", c.Errno(), err)
		}
	}
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.ECONNABORTED, unix.EPROTO} {
		if seen[errno] == 0 {
			t.Errorf("%v never happened", errno)
		}
	}
}

// exercise plays the same ops in a world of this seed and returns what came of them.
func exercise(t *testing.T, seed uint64) (trace []string) {
	r := newRig(t, seed, Config{Buffers: 8, BuffersMax: 8})
	r.w.SetFaults(AllFaults())
	inFlight := map[driver.Token]bool{}
	begin := func(op driver.Op) { inFlight[r.submit(op)] = true }
	out := make([]driver.Completion, 16)
	begin(driver.Op{Code: driver.Recv, Multi: true, FD: int32(r.fd)})
	for i := range 300 {
		if i%3 == 0 {
			_, _ = r.peer.Write([]byte("some bytes"))
		}
		if i%5 == 0 {
			begin(driver.Op{Code: driver.Send, FD: int32(r.fd), Buf: []byte("back")})
		}
		n, err := r.d.Wait(out, 1, -1)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range out[:n] {
			trace = append(trace, fmt.Sprint(i, c))
			if !inFlight[c.Token] {
				t.Fatalf("seed %d: %+v of an op that has ended", seed, c)
			}
			if c.Bid != driver.NoBuffer {
				r.d.Recycle(c.Bid)
			}
			if !c.More {
				delete(inFlight, c.Token)
				if c.Res > 0 && c.Bid != driver.NoBuffer || c.Errno() == unix.ENOBUFS {
					begin(driver.Op{Code: driver.Recv, Multi: true, FD: int32(r.fd)})
				}
			}
		}
		_, _ = r.peer.Read(make([]byte, 100))
	}
	if err := r.d.Close(); err != nil {
		t.Error(err)
	}
	return trace
}

// A seed replays exactly, and another one does not do the same.
func TestFaultsReplay(t *testing.T) {
	for seed := uint64(1); seed < 50; seed++ {
		a, b := exercise(t, seed), exercise(t, seed)
		if !slices.Equal(a, b) {
			t.Fatalf("seed %d plays differently the second time", seed)
		}
		if slices.Equal(a, exercise(t, seed+1000)) {
			t.Fatalf("seeds %d and %d play the same", seed, seed+1000)
		}
	}
}
