package drivertest

import (
	"time"

	"golang.org/x/sys/unix"
)

func waitTests() []test {
	return []test{
		{name: "MoreCompletionsThanRoom", run: moreThanRoom},
		{name: "TimeoutZero", run: timeoutZero, real: true},
		{name: "Timeout", run: timeout, real: true},
		{name: "SimNeverSleeps", run: simNeverSleeps},
		{name: "Counters", run: counters},
	}
}

// Completions beyond len(out) stay queued, in order, each delivered once; so does what was submitted
// between.
func moreThanRoom(r *rig) {
	var fs []*flight
	for range 50 {
		p, fd := r.pair()
		r.write(p, []byte("x"))
		fs = append(fs, r.recv(fd, false))
	}
	r.out = r.out[:3]
	all := func() bool {
		for _, f := range fs {
			if !f.final {
				return false
			}
		}
		return true
	}
	r.until("every receive has ended", func() bool {
		r.wait(0, 0)
		return all()
	})
	for _, f := range fs {
		r.equal("stream", string(f.data), "x")
	}
	r.out = r.out[:0] // no room at all loses nothing either
	fd := int(fs[0].op.FD)
	f := r.send(fd, []byte("y"))
	_, err := r.d.Wait(r.out, 0, 0)
	r.ok(err)
	r.out = r.out[:64]
	r.ended(f)
}

// waited measures the shortest and the longest of several Waits that find nothing: others share the
// machine, and a Wait may end early now and then.
func (r *rig) waited(min int, timeout time.Duration) (shortest, longest time.Duration) {
	r.Helper()
	shortest = time.Hour
	for range 5 {
		start := time.Now()
		n, err := r.d.Wait(r.out, min, timeout)
		took := time.Since(start)
		r.ok(err)
		r.equal("completions", n, 0)
		if took < shortest {
			shortest = took
		}
		if took > longest {
			longest = took
		}
	}
	return shortest, longest
}

func timeoutZero(r *rig) {
	r.listen()
	r.turn()
	for _, tt := range []struct {
		min     int
		timeout time.Duration
	}{{0, 0}, {1, 0}, {0, time.Hour}, {0, -1}} {
		if took, _ := r.waited(tt.min, tt.timeout); took > 50*time.Millisecond {
			r.Errorf("Wait(min %d, timeout %v) slept %v", tt.min, tt.timeout, took)
		}
	}
}

// The longest of several Waits has slept as long as it should, the shortest not much longer. Armed ops
// with nothing to do let it sleep.
func timeout(r *rig) {
	p, fd := r.pair()
	f := r.recv(fd, true)
	r.write(p, pattern(r.cfg.BufferSize, 10)) // a receive that fills its buffer does not know that it was the last
	_, f = r.gather(f, r.cfg.BufferSize)
	r.equal("still armed", f.final, false)
	r.turn()
	for _, d := range []time.Duration{300 * time.Microsecond, 5 * time.Millisecond, 20 * time.Millisecond} {
		shortest, longest := r.waited(1, d)
		if longest < d-d/10 || shortest > d+100*time.Millisecond {
			r.Errorf("Waits with timeout %v took %v to %v", d, shortest, longest)
		}
	}
}

func simNeverSleeps(r *rig) {
	if r.real {
		return
	}
	r.listen()
	r.turn()
	if took, _ := r.waited(1, -1); took > time.Second {
		r.Errorf("Wait slept %v", took)
	}
}

func counters(r *rig) {
	p, fd := r.pair()
	before := r.d.Counters()
	f := r.recv(fd, false)
	r.write(p, []byte("x"))
	r.ended(f)
	after := r.d.Counters()
	r.equal("Submitted", after.Submitted-before.Submitted, uint64(1))
	r.equal("Completed", after.Completed-before.Completed, uint64(1))
	if after.Enters == before.Enters {
		r.Error("Enters did not count")
	}
	if need := uint64(r.cfg.BufferSize * r.cfg.Buffers); after.MappedBytes < need {
		r.Errorf("MappedBytes = %d, the buffers alone have %d", after.MappedBytes, need)
	}
	r.equal("SocketError", r.d.SocketError(fd), unix.Errno(0))
}
