package uring

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// sweep finds multishot ops that the kernel has forgotten. A receive that takes data for several wake-ups at once
// may drop the last of them: the reset that came behind the data, after which there is no further wake-up, and the
// connection would stay for ever (Linux a68ed2df7213 in 7.0, backported, mends the most frequent case; 6.18.44 has it and
// still lost resets behind bursts of small segments). An accept is woken in the same way. Every loss comes with a good
// result, so only ops that have had one are looked at, with poll(2), once per sweepPause. What two looks in a row find
// readable with no completion in between was forgotten: it is canceled, and who armed it arms it again.
type sweep struct {
	slots []watched // by the slot of the token
	list  []uint32  // slots to look at
	polls []unix.PollFd
	pause unix.Timespec // the kernel reads it when the timer is submitted
	armed bool          // the timer is in the ring
	due   bool          // it has to be
}

// watched is the multishot op of one slot.
type watched struct {
	token  driver.Token // NoToken: none
	fd     int32        // open as long as the token is here
	listed bool
	late   bool // readable at the last look, and nothing has come since
}

const (
	sweepPause = time.Second
	pollMax    = 256 // descriptors of one poll(2): about 20 µs
	timerToken = wakeToken - 1
	quitToken  = wakeToken - 2 // of the sweep's own cancels
)

func (w *sweep) open(pause time.Duration) {
	w.list, w.polls = make([]uint32, 0, 64), make([]unix.PollFd, 0, pollMax)
	w.pause = unix.NsecToTimespec(pause.Nanoseconds())
}

// watch notes a multishot receive or accept that goes to the kernel.
func (w *sweep) watch(t driver.Token, fd int32) {
	for int(t.Slot()) >= len(w.slots) {
		w.slots = append(w.slots, watched{})
	}
	s := &w.slots[t.Slot()]
	s.token, s.fd, s.late = t, fd, false
}

// heard notes a completion.
func (w *sweep) heard(t driver.Token, more bool) {
	i := t.Slot()
	if int(i) >= len(w.slots) || w.slots[i].token != t {
		return
	}
	s := &w.slots[i]
	if s.late = false; !more {
		s.token = driver.NoToken
		return
	}
	w.due = true
	if !s.listed {
		s.listed = true
		w.list = append(w.list, i)
	}
}

// armSweep puts the timer into the ring. One that the kernel refuses, for want of memory, is armed again with the next
// data: at once would be a core that spins.
func (d *Driver) armSweep() {
	if s := d.nextSQE(); s != nil {
		s.PrepTimeout(&d.sweep.pause, timerToken)
		d.sweep.armed, d.sweep.due = true, false
	}
}

// look is what the timer is for.
func (d *Driver) look() {
	w := &d.sweep
	keep := 0
	for begin := 0; begin < len(w.list); begin += pollMax {
		slots := w.list[begin:min(begin+pollMax, len(w.list))]
		asked := w.ask(slots)
		for i, slot := range slots {
			if w.slots[slot].listed = !asked || d.suspect(&w.slots[slot], w.polls[i].Revents); w.slots[slot].listed {
				w.list[keep] = slot
				keep++
			}
		}
	}
	w.list, w.due = w.list[:keep], keep > 0
}

// ask polls the descriptors of slots; poll(2) skips negative ones. It fails for want of memory and where RLIMIT_NOFILE
// is below their number: they are asked for again then, because there may be no further data to list them anew.
func (w *sweep) ask(slots []uint32) bool {
	w.polls = w.polls[:0]
	for _, slot := range slots {
		fd := int32(-1)
		if s := &w.slots[slot]; s.token != driver.NoToken {
			fd = s.fd
		}
		w.polls = append(w.polls, unix.PollFd{Fd: fd, Events: unix.POLLIN | unix.POLLRDHUP})
	}
	_, err := unix.Poll(w.polls, 0)
	return err == nil
}

// suspect judges what a look has found and reports whether the next one is to look again.
func (d *Driver) suspect(s *watched, revents int16) bool {
	if s.token == driver.NoToken || revents == 0 {
		s.late = false
		return false
	}
	if !s.late {
		s.late = true
		return true
	}
	e := d.nextSQE()
	if e == nil {
		return true
	}
	e.PrepCancel(uint64(s.token), quitToken)
	d.count.Forgotten++
	s.late = false
	return false
}
