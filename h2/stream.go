package h2

import "time"

// stream is one request and its response. It belongs to its connection's core and is pooled there.
//
// Two parties hold it: the connection's table, until its state is closed, and the handler, until it has returned
// and no task is parked in one of the stream's methods. It goes back to the pool when the last of them lets go.
type stream struct {
	c     *conn
	id    uint32
	state streamState

	handling bool // the handler was started and has not returned
	returned bool // the handler's call came back by return, not by panic or Goexit
	expect   bool // a 100-continue is due at the first read of the body
	parked   int8 // tasks parked in methods of this stream

	in  inflow
	out outflow

	// err is why the stream or its connection is over; nil while it lives, and after a good end.
	err error

	// received counts the body's octets, declared is the request's content-length (-1: none).
	received, declared int64

	// stallAt is since when output waits for window, 0: it does not. dataAt is when the body last grew.
	stallAt, dataAt time.Duration

	// queue is the send queue that s is in, or nil; next and prev are its neighbours there.
	queue      *streamQueue
	next, prev *stream

	task streamTask
	req  Request
	res  Response
	body Body
}

// reset empties s for the pool.
func (s *stream) reset() {
	s.c, s.id, s.state, s.err = nil, 0, stateIdle, nil
	s.handling, s.returned, s.expect = false, false, false
	s.received, s.declared, s.stallAt, s.dataAt = 0, -1, 0, 0
	s.req.reset()
	s.res.reset()
	s.body.reset()
}

// park suspends the calling task. The stream may be over when it comes back, but it is still this stream: with a
// task parked in it, it does not return to the pool (also when a Goexit ends the park).
func (s *stream) park(side side) error {
	s.parked++
	err := s.task.park(side)
	s.parked--
	return err
}

// wakeAll makes every task parked in s look at what happened.
func (s *stream) wakeAll() {
	s.task.wake(sideRead)
	s.task.wake(sideWrite)
}

// letGo is called when the state is closed, and when the handler has returned: the second call gives s back. A
// task that the handler left behind in one of the stream's methods keeps s out of the pool.
func (s *stream) letGo() {
	if s.handling || !s.state.closed() {
		return
	}
	c := s.c
	c.active--
	c.pool.metrics.StreamsOpen--
	if c.active == 0 {
		c.idleSince = c.host.now()
	}
	if s.parked == 0 {
		c.pool.putStream(s)
	}
}
