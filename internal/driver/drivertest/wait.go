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

// waited measures the shortest of several Waits: others share the machine.
func (r *rig) waited(min int, timeout time.Duration) time.Duration {
	r.Helper()
	best := time.Hour
	for range 5 {
		start := time.Now()
		n, err := r.d.Wait(r.out, min, timeout)
		took := time.Since(start)
		r.ok(err)
		r.equal("completions", n, 0)
		if took < best {
			best = took
		}
	}
	return best
}

func timeoutZero(r *rig) {
	r.listen()
	r.turn()
	for _, tt := range []struct {
		min     int
		timeout time.Duration
	}{{0, 0}, {1, 0}, {0, time.Hour}, {0, -1}} {
		if took := r.waited(tt.min, tt.timeout); took > 50*time.Millisecond {
			r.Errorf("Wait(min %d, timeout %v) slept %v", tt.min, tt.timeout, took)
		}
	}
}

// A Wait may end early now and then (its shortest run may not), and never much later than asked.
func timeout(r *rig) {
	r.listen()
	r.turn()
	for _, d := range []time.Duration{300 * time.Microsecond, 5 * time.Millisecond, 20 * time.Millisecond} {
		took := r.waited(1, d)
		if took < d-d/10 || took > d+100*time.Millisecond {
			r.Errorf("Wait with timeout %v took %v", d, took)
		}
	}
}

func simNeverSleeps(r *rig) {
	if r.real {
		return
	}
	r.listen()
	r.turn()
	if took := r.waited(1, -1); took > time.Second {
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
