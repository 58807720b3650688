package coretls

// seal appends to dst what TLS itself has to say and then plain as records, and
// returns dst. It never blocks. After an alert was sent only that alert comes out.
func (c *codec) seal(dst, plain []byte) ([]byte, error) {
	dst = c.drain(dst)
	if len(plain) == 0 {
		return dst, nil
	}
	c.direct(dst)
	_, err := c.tls.Write(plain)
	return c.undirect(), err
}

// sealClose appends what is pending and a close_notify. Nothing can be sealed afterwards.
func (c *codec) sealClose(dst []byte) []byte {
	dst = c.drain(dst)
	c.direct(dst)
	// The error is one of crypto/tls refusing to speak after a fatal alert,
	// which has said enough.
	_ = c.tls.CloseWrite()
	return c.undirect()
}

// goodbye puts a close_notify behind what is pending.
func (c *codec) goodbye() { _ = c.tls.CloseWrite() }

// drain moves what TLS wrote outside seal (handshake flights, KeyUpdate
// replies, alerts) to dst. It must go first: records count up.
func (c *codec) drain(dst []byte) []byte {
	if len(c.shim.out) > 0 {
		dst = append(dst, c.shim.out...)
	}
	if c.shim.out != nil {
		freeChunk(c.shim.mem, c.shim.out)
		c.shim.out = nil
	}
	return dst
}

// pending is the number of bytes TLS wrote outside seal and nobody took yet.
func (c *codec) pending() int { return len(c.shim.out) }

func (c *codec) direct(dst []byte) {
	if c.shim.out != nil {
		panic("BUG: sealing while earlier TLS output is pending")
	}
	c.shim.out, c.shim.direct = dst, true
}

func (c *codec) undirect() []byte {
	dst := c.shim.out
	c.shim.out, c.shim.direct = nil, false
	return dst
}
