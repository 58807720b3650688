package ring

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// drainMax bounds how long Close waits for the next completion (the kernel cancels network ops within
// microseconds), drainPoll one sleep in it.
const (
	drainMax  = 5 * time.Second
	drainPoll = 20 * time.Millisecond
)

// cancelToken is the user data of the cancel-all op.
const cancelToken = ^uint64(0)

// Drain cancels every op and waits until the last has posted its final completion; it gives up when none
// has come for quietMax. Each completion, also one that was waiting in the queue, is given to seen (nil:
// dropped): an accept may still deliver a descriptor that somebody has to close.
func (r *Ring) Drain(quietMax time.Duration, seen func(CQE)) error {
	if r.fd < 0 {
		return nil
	}
	r.copyAll(seen)
	r.cancelAny()
	for last := time.Now(); r.inflight > 0; { // not a count of waits: a signal ends one early
		errno := r.Wait(drainPoll)
		if errno == unix.EAGAIN || errno == unix.ENOMEM { // none for the cancel, see Fetch; and the time must pass
			errno = r.sleep(0, drainPoll)
		}
		if errno != 0 {
			return ExplainEnter(errno)
		}
		if r.copyAll(seen) > 0 {
			last = time.Now()
			continue
		}
		if time.Since(last) >= quietMax {
			return fmt.Errorf("percore: io_uring: %d ops did not end within %v: %w", r.inflight, quietMax, unix.ETIMEDOUT)
		}
		// Something slipped past the cancel: it was just being re-armed. To cancel n ops costs the kernel
		// n*n steps, so this is not done before a wait has brought nothing.
		r.cancelAny()
	}
	return nil
}

// copyAll empties the completion queue into seen and returns how many there were.
func (r *Ring) copyAll(seen func(CQE)) (total int) {
	var batch [64]CQE
	for {
		n := r.Copy(batch[:])
		if n == 0 {
			return total
		}
		total += n
		for _, c := range batch[:n] {
			if seen != nil && c.UserData != cancelToken {
				seen(c)
			}
		}
	}
}

// cancelAny queues the cancel of everything. On a full queue that cannot be emptied it does nothing; the
// caller comes again.
func (r *Ring) cancelAny() {
	s := r.NextSQE()
	if s == nil {
		r.Submit()
		s = r.NextSQE()
	}
	if s != nil {
		s.PrepCancelAny(cancelToken)
	}
}

// Close cancels what is in flight, waits for the kernel to be done with it, and gives everything back.
// When the kernel cannot be waited for (a wrong thread, or ops that do not end) the descriptor is closed
// but the memory stays mapped: the kernel might still write to it. Idempotent.
func (r *Ring) Close() error {
	if r.fd < 0 {
		return nil
	}
	if err := r.Drain(drainMax, nil); err != nil {
		r.unregisterFD()
		unix.Close(r.fd)
		r.fd = -1
		return err
	}
	r.release()
	return nil
}

// release undoes Open and every BufRing, in reverse. Nothing is in flight.
func (r *Ring) release() {
	for _, b := range r.bufRings {
		b.release()
	}
	r.bufRings = nil
	r.unregisterFD()
	r.sqes.unmap()
	r.rings.unmap()
	r.args.unmap()
	unix.Close(r.fd)
	r.fd = -1
}
