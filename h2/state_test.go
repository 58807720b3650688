package h2

import "testing"

// TestStreamState is RFC 9113 section 5.1 as a table: what each frame of the peer means in each state. An entry is
// the next state, or the error that leaves the state as it is.
func TestStreamState(t *testing.T) {
	headers := func(end bool) func(*streamState) error {
		return func(s *streamState) error { return s.recvHeaders(end) }
	}
	data := func(end bool) func(*streamState) error { return func(s *streamState) error { return s.recvData(end) } }
	verbs := []func(*streamState) error{headers(false), headers(true), data(false), data(true), (*streamState).recvReset,
		func(s *streamState) error { return s.recvWindowUpdate() }}
	const (
		idle, open, local, remote    = stateIdle, stateOpen, stateHalfClosedLocal, stateHalfClosedRemote
		ended, localReset, peerReset = stateClosedEnded, stateClosedLocalReset, stateClosedPeerReset
	)
	for state, wants := range map[streamState][6]any{
		// HEADERS, HEADERS+END_STREAM, DATA, DATA+END_STREAM, RST_STREAM, WINDOW_UPDATE
		idle:       {open, remote, errIdleFrame, errIdleFrame, errIdleFrame, errIdleFrame},
		open:       {errTrailersNotLast, remote, open, remote, peerReset, open},
		local:      {errTrailersNotLast, ended, local, ended, peerReset, errIgnoreFrame},
		remote:     {errHalfClosed, errHalfClosed, errHalfClosed, errHalfClosed, peerReset, remote},
		ended:      {errStreamEnded, errStreamEnded, errStreamEnded, errStreamEnded, errIgnoreFrame, errIgnoreFrame},
		localReset: {errIgnoreFrame, errIgnoreFrame, errIgnoreFrame, errIgnoreFrame, errIgnoreFrame, errIgnoreFrame},
		peerReset:  {errAfterReset, errAfterReset, errAfterReset, errAfterReset, errIgnoreFrame, errAfterReset},
	} {
		for i, want := range wants {
			got := state
			err := verbs[i](&got)
			next, accepted := want.(streamState)
			if !accepted {
				next = state
			}
			if accepted != (err == nil) || !accepted && err != want || got != next {
				t.Errorf("%v, verb %d: %v, %v; want %v", state, i, got, err, want)
			}
		}
	}
}

func TestStreamStateSends(t *testing.T) {
	s := stateOpen
	s.sendHeaders(false)
	s.sendData(true)
	if s != stateHalfClosedLocal || s.canSend() || !s.canRecv() {
		t.Fatalf("state %v", s)
	}
	mustPanic(t, func() { s.sendData(false) })
	if !s.sendReset() || s != stateClosedLocalReset || s.sendReset() || !s.closed() {
		t.Fatalf("state %v", s)
	}
	s = stateHalfClosedRemote
	if s.sendHeaders(true); s != stateClosedEnded || s.sendReset() {
		t.Fatalf("state %v", s)
	}
	s = stateIdle
	mustPanic(t, func() { s.sendReset() })
	mustPanic(t, func() { s.sendHeaders(false) })
}
