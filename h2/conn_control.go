package h2

// greet sends our SETTINGS, the first frame of ours (RFC 9113 section 3.4), and enlarges the connection's window.
func (c *conn) greet() {
	c.state = connSettings
	ours := c.cfg.limits.settings()
	c.ctrl = appendSettings(c.control(), &ours)
	if inc := c.in.raise(c.cfg.limits.ConnWindowMax); inc > 0 {
		c.ctrl = appendWindowUpdate(c.ctrl, 0, inc)
	}
}

func (c *conn) recvSettings(f *frame) error {
	ack, err := loadSettings(f.h, f.payload)
	switch {
	case err != nil:
		return err
	case ack && c.state == connSettings:
		return errFirstFrame
	case ack:
		c.dec.settingsAcked()
		return nil
	}
	if err := c.peer.applyPeer(f.payload, c.cfg.limits.SettingsEntriesMax, c); err != nil {
		return err
	}
	c.ctrl = appendSettingsAck(c.control())
	c.replies++
	if c.state == connSettings {
		c.state = connOpen
	}
	return nil
}

// setPeerTableSize implements settingsSink.
func (c *conn) setPeerTableSize(size uint32) { c.enc.setPeerTableSize(size) }

// adjustWindows implements settingsSink.
func (c *conn) adjustWindows(delta int64) error {
	for _, s := range c.streams.slots {
		if s == nil {
			continue
		}
		if !s.out.adjust(delta) {
			return errWindowOverflow
		}
		c.place(s)
	}
	return nil
}

func (c *conn) recvPing(f *frame) error {
	data, err := loadPing(f.h, f.payload)
	switch {
	case err != nil:
		return err
	case f.h.Flags.has(FlagAck):
		c.recvPong(data)
		return nil
	}
	c.ctrl = appendPing(c.control(), true, data)
	c.replies++
	return nil
}

func (c *conn) recvWindowUpdate(f *frame) error {
	increment, err := loadWindowUpdate(f.h, f.payload)
	if err != nil {
		return err
	}
	if f.h.StreamID == 0 {
		if !c.out.add(increment) {
			return errWindowOverflow
		}
		c.unblock()
		return nil
	}
	s := c.streams.get(f.h.StreamID)
	if s == nil {
		state, err := c.late(f.h.StreamID)
		if err != nil {
			return err
		}
		return state.recvWindowUpdate()
	}
	if err := s.state.recvWindowUpdate(); err != nil {
		return err
	}
	if !s.out.add(increment) {
		return errStreamWindowOverflow
	}
	c.place(s)
	return nil
}

func (c *conn) recvRSTStream(f *frame) error {
	code, err := loadRSTStream(f.h, f.payload)
	if err != nil {
		return err
	}
	s := c.streams.get(f.h.StreamID)
	if s == nil {
		state, err := c.late(f.h.StreamID)
		if err != nil {
			return err
		}
		if state == stateClosedLocalReset {
			c.history.close(f.h.StreamID, stateClosedPeerReset) // nothing of it is under way any more
		}
		return state.recvReset()
	}
	if err := s.state.recvReset(); err != nil {
		return err
	}
	c.pool.metrics.ResetsIn.count(code)
	s.over(code, "", InitiatorPeer)
	return nil
}

func (c *conn) recvGoAway(f *frame) error {
	g, err := loadGoAway(f.h, f.payload)
	if err != nil {
		return err
	}
	c.pool.metrics.GoAwaysIn.count(g.code)
	return nil // it concerns streams that we would open
}

// sendReset queues a RST_STREAM.
func (c *conn) sendReset(id uint32, code ErrCode) {
	c.pool.metrics.ResetsOut.count(code)
	c.ctrl = appendRSTStream(c.control(), id, code)
}

// sendGoAway queues a GOAWAY.
func (c *conn) sendGoAway(last uint32, code ErrCode, reason string) {
	c.pool.metrics.GoAwaysOut.count(code)
	c.ctrl = appendGoAway(c.control(), last, code, reason)
}
