package h2

import "time"

// One deadline serves all timeouts of a connection. It is never later than the next moment at which something may
// have to be done, and may be earlier: expire then finds nothing and computes the next one. So nothing is armed
// again for a request: a timeout that begins after a scan cannot end before that scan's deadline.
var (
	errPrefaceTimeout = connFault(ErrCodeNo, "no connection preface and SETTINGS in time")
	errBlockTimeout   = connFault(ErrCodeNo, "a field block did not become complete in time")
	errIdle           = connFault(ErrCodeNo, "idle for too long")
	errConnStalled    = connFault(ErrCodeNo, "no connection window for DATA in time")
)

const (
	reasonStall   = "the client gave no flow-control window in time"
	reasonBodyGap = "the request body stayed silent for too long"
	never         = time.Duration(1<<63 - 1)
)

// nextDeadline returns when to call expire; it can only have become earlier since expire was called last.
func (c *conn) nextDeadline() time.Duration { return c.deadline }

// noteStream makes sure that a timeout of a stream that begins now is seen.
func (c *conn) noteStream(now time.Duration) {
	c.deadline = min(c.deadline, now+shorter(c.stallMax(), c.cfg.limits.BodyGapMax))
}

// stallMax is how long output may wait for window; after an end of file no window will come.
func (c *conn) stallMax() time.Duration {
	if c.eof {
		return 0
	}
	return c.cfg.limits.WriteStallMax
}

// shorter returns the smaller of two limits, of which a negative one is switched off.
func shorter(a, b time.Duration) time.Duration {
	switch {
	case a < 0:
		return b
	case b < 0:
		return a
	}
	return min(a, b)
}

// expire acts on what is overdue and computes the next deadline.
func (c *conn) expire(now time.Duration) {
	l := &c.cfg.limits
	c.deadline = never
	if c.state < connOpen {
		c.check(now, c.openedAt, l.PrefaceMax, errPrefaceTimeout)
		return
	}
	if c.state == connGoingAway && !c.drained && c.due(now, c.drainAt) {
		c.lastGoAway()
	}
	if c.blockSince != 0 {
		c.check(now, c.blockSince, l.HeaderBlockMax, errBlockTimeout)
	}
	if c.active == 0 {
		c.streams.trim()
		c.check(now, c.idleSince, l.IdleMax, errIdle)
		return
	}
	c.expireStreams(now)
}

// due reports whether at has come; if not it is noted.
func (c *conn) due(now, at time.Duration) bool {
	if now >= at {
		return true
	}
	c.deadline = min(c.deadline, at)
	return false
}

func (c *conn) check(now, since, limit time.Duration, err error) {
	if limit >= 0 && c.state != connClosed && c.due(now, since+limit) {
		c.pool.metrics.Timeouts++
		c.fault(0, err)
	}
}

// expireStreams looks at every stream. One that is overdue leaves the table, which may move another one to its slot.
func (c *conn) expireStreams(now time.Duration) {
	bodyGapMax := c.cfg.limits.BodyGapMax
	c.deadline = min(c.deadline, now+shorter(c.cfg.limits.WriteStallMax, bodyGapMax))
	for i := 0; i < len(c.streams.slots); {
		s := c.streams.slots[i]
		switch {
		case s == nil:
		case s.stallAt != 0 && c.due(now, s.stallAt+c.stallMax()):
			c.pool.metrics.Timeouts++
			if s.queue == &c.blocked {
				c.fault(0, errConnStalled) // no stream will ever get on
				return
			}
			s.resetLocal(ErrCodeCancel, reasonStall)
			continue
		case s.bodySilent() && bodyGapMax >= 0 && c.due(now, s.dataAt+bodyGapMax):
			c.pool.metrics.Timeouts++
			s.resetLocal(ErrCodeCancel, reasonBodyGap)
			continue
		}
		i++
	}
}

// bodySilent reports whether it is the client's turn to send body octets: all that came was read, and the handler
// waits for more.
func (s *stream) bodySilent() bool {
	return s.handling && !s.body.ended && s.body.size == 0 && s.body.waiting
}
