package corenet

// relayInput waits for input like awaitInput. While the task is parked in it, what arrives goes on to dst by
// itself as long as nothing stands in the way: an echo or a proxy then costs no switch to its task, which
// wakes for what needs it (a full socket, an error, the end). n counts what went on.
//
//	recv CQE ──▶ take ──▶ dst open, nothing waits there, nobody writes ──▶ dst's socket, buffer recycled
//	                  └─▶ else: queue, wake the task, which calls dst.Write
func (c *Conn) relayInput(dst *Conn) (n int64, err error) {
	if dst != nil && dst.core == c.core {
		c.relayTo = dst
	}
	err = c.awaitInput()
	n, c.relayTo, c.relayed = c.relayed, nil, 0
	return n, err
}

// relays reports whether fresh bytes may go on at once. A task that is no longer parked was canceled or ran
// into its deadline: the bytes are the next reader's.
func (c *Conn) relays() bool {
	dst := c.relayTo
	return dst != nil && c.rwait.Parked() && c.queued() == 0 && !c.detaching &&
		dst.phase == open && dst.proto == nil && !dst.detaching && !dst.writing && !dst.finAsked &&
		dst.outBytes == 0 && dst.sendErr == nil && (dst.times == nil || !dst.times.writePast)
}

// relay sends n fresh bytes in the lent buffer bid on. What the socket does not take is left to the task, and
// so is an error: its Write meets it again.
func (c *Conn) relay(bid int32, n int) {
	p := c.core.Buffer(bid)[:n]
	k, _ := c.relayTo.trySend(p)
	c.relayed += int64(k)
	if k == n {
		c.core.Recycle(bid)
		return
	}
	c.push(bid, p)
	c.skip(k)
	c.rwait.Wake()
}
