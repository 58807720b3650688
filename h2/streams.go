package h2

// streamTable finds the streams of one connection that are not closed by their identifier: open addressing with
// linear probing. A client numbers its streams 1, 3, 5, ..., so id/2 modulo the size is as good as perfect.
// The zero value is empty and holds no memory.
type streamTable struct {
	slots []*stream // length 0 or a power of two, at most half full
	n     int
}

const (
	tableSlotsMin = 8
	// tableSlotsIdle is the largest table an idle connection keeps.
	tableSlotsIdle = 32
)

func (t *streamTable) home(id uint32) int { return int(id>>1) & (len(t.slots) - 1) }

// get returns the stream with that identifier, or nil.
func (t *streamTable) get(id uint32) *stream {
	if t.n == 0 {
		return nil
	}
	for i := t.home(id); ; i = (i + 1) & (len(t.slots) - 1) {
		s := t.slots[i]
		if s == nil || s.id == id {
			return s
		}
	}
}

// put adds s. REQUIRES: get(s.id) == nil.
func (t *streamTable) put(s *stream) {
	if 2*(t.n+1) > len(t.slots) {
		t.grow()
	}
	t.n++
	t.place(s)
}

func (t *streamTable) place(s *stream) {
	i := t.home(s.id)
	for t.slots[i] != nil {
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = s
}

func (t *streamTable) grow() {
	old := t.slots
	t.slots = make([]*stream, max(tableSlotsMin, 2*len(old)))
	for _, s := range old {
		if s != nil {
			t.place(s)
		}
	}
}

// remove takes s out, and moves up those that had to give way to it.
func (t *streamTable) remove(s *stream) {
	mask := len(t.slots) - 1
	i := t.home(s.id)
	for t.slots[i] != s {
		if t.slots[i] == nil {
			panic("BUG: h2: stream is not in its connection's table")
		}
		i = (i + 1) & mask
	}
	t.n--
	for j := i; ; {
		j = (j + 1) & mask
		m := t.slots[j]
		if m == nil {
			break
		}
		if (j-t.home(m.id))&mask >= (j-i)&mask {
			t.slots[i], i = m, j
		}
	}
	t.slots[i] = nil
}

// trim gives up the memory of a large table that is empty. It is called now and then (expire), not at each last
// stream: a client that sends its requests in bursts would make it grow again each time.
func (t *streamTable) trim() {
	if t.n == 0 && len(t.slots) > tableSlotsIdle {
		t.slots = nil
	}
}

// history remembers how the latest streams of a connection ended, because a late frame means something else after
// each end (state.go). The state idle stands for a stream that was skipped: "the first use of a new stream
// identifier implicitly closes all streams in the idle state that ... have a lower-valued stream identifier"
// (RFC 9113 section 5.1.1).
type history struct {
	highest uint32 // the highest identifier seen
	states  [historyLen]streamState
}

const historyLen = 128

// open notes that the peer used id, which is above all before.
func (h *history) open(id uint32) {
	for skipped := max(h.highest+2, id-min(id, 2*historyLen)) | 1; skipped < id; skipped += 2 {
		h.states[int(skipped>>1)%historyLen] = stateIdle
	}
	h.highest = id
	h.states[int(id>>1)%historyLen] = stateOpen
}

// close notes how id ended.
func (h *history) close(id uint32, state streamState) {
	if h.highest-id < 2*historyLen {
		h.states[int(id>>1)%historyLen] = state
	}
}

// state returns how id ended. known is false for a stream that was skipped, and stays true for one that ended too
// long ago to be remembered: what comes for it may have been under way when we reset it.
func (h *history) state(id uint32) (state streamState, known bool) {
	switch {
	case id > h.highest || id&1 == 0:
		return stateIdle, true
	case h.highest-id >= 2*historyLen:
		return stateClosedLocalReset, true
	}
	state = h.states[int(id>>1)%historyLen]
	return state, state != stateIdle
}
