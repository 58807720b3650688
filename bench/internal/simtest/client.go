package simtest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/percore/percore/internal/driver/sim"
)

// client is one HTTP/2 client with everything it knows.
type client struct {
	clientPlan
	id    int
	p     *play
	tube  *tube
	shake *handshake // under way or nil

	in    bytes.Buffer // plaintext received, not parsed yet
	out   bytes.Buffer // frames written, not sent yet: the handshake is under way
	fr    *http2.Framer
	block bytes.Buffer
	enc   *hpack.Encoder
	dec   *hpack.Decoder
	heard bool // any byte of the server

	streams map[uint32]*stream
	order   []*stream
	next    uint32

	conn    window // what the server may send on the connection
	initial int64  // of new streams, as acknowledged
	pending []change
	tables  int    // SETTINGS_HEADER_TABLE_SIZE, as acknowledged, at most 4096
	due     bool   // the next field block must begin with a smaller table size
	room    int64  // what we may send on the connection
	theirs  int64  // the server's SETTINGS_INITIAL_WINDOW_SIZE
	most    int    // the server's SETTINGS_MAX_CONCURRENT_STREAMS
	frame   []byte // fragments of a field block under way

	greeted bool // the server's SETTINGS are here
	goaway  bool
	last    uint32 // of the server's GOAWAY
	code    http2.ErrCode
	excuse  string          // why the server may end the connection
	codes   []http2.ErrCode // ... and with what, besides NO_ERROR
	wantEnd bool            // ... and must
	over    bool            // the connection has ended
	ended   bool            // we ended our direction
	resets  bool            // it has reset streams

	pings    [][8]byte // not answered yet
	pingNext uint64
	deaf     time.Duration // nothing is read until then
}

// change is a SETTINGS frame that is not acknowledged yet. A negative value is not in it.
type change struct{ window, table int64 }

// window is what a peer may still send, with the credit it has not been given back yet.
type window struct{ left, unread int64 }

func newClient(p *play, id int, plan clientPlan, peer *sim.Peer) *client {
	c := &client{clientPlan: plan, id: id, p: p, streams: map[uint32]*stream{}, next: 1, initial: 65535, room: 65535, theirs: 65535, most: 3, tables: 4096}
	c.conn.left = 65535
	c.tube = &tube{peer: peer, small: plan.bytewise}
	c.fr = http2.NewFramer(&c.out, &c.in)
	c.fr.AllowIllegalWrites, c.fr.AllowIllegalReads = true, true
	c.fr.SetMaxReadFrameSize(1 << 24)
	c.enc = hpack.NewEncoder(&c.block)
	c.dec = hpack.NewDecoder(4096, nil)
	if plan.secure {
		most := uint16(tls.VersionTLS13)
		if plan.old {
			most = tls.VersionTLS12
		}
		c.shake = shake(c.tube, most)
	}
	if plan.stranger {
		c.excuse, c.wantEnd = "it does not speak HTTP/2", true
		c.out.WriteString("GET / HTTP/1.1\r\nhost: sim\r\n\r\n")
		return c
	}
	c.out.WriteString(http2.ClientPreface)
	c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(plan.window)})
	c.pending = append(c.pending, change{int64(plan.window), -1})
	return c
}

// pump moves bytes both ways and reads the frames that are whole.
func (c *client) pump() {
	if c.over {
		return
	}
	if c.shake != nil && !c.shaken() {
		return
	}
	if c.out.Len() > 0 {
		c.send(c.out.Bytes())
		c.out.Reset()
	}
	c.tube.flush()
	if c.p.now >= c.deaf {
		c.receive()
		for c.readFrame() {
		}
	}
	if c.out.Len() > 0 { // acknowledgments
		c.send(c.out.Bytes())
		c.out.Reset()
	}
}

// shaken lets the handshake go on and reports whether it is done.
func (c *client) shaken() bool {
	if c.shake.err == nil && c.tube.yieldable() {
		if _, more := c.shake.next(); more {
			c.tube.flush()
			return false
		}
	}
	if c.shake.err != nil {
		c.end(c.shake.err)
		return false
	}
	return true
}

// yieldable reports whether the handshake still runs, or has not begun.
func (t *tube) yieldable() bool { return !t.closed }

func (c *client) send(p []byte) {
	if c.ended {
		return
	}
	if c.shake != nil {
		if _, err := c.shake.conn.Write(p); err != nil {
			c.end(err)
		}
		return
	}
	c.tube.Write(p)
}

func (c *client) receive() {
	buf := c.p.buf[:]
	for !c.over {
		var n int
		var err error
		if c.shake != nil {
			n, err = c.shake.conn.Read(buf[:])
		} else {
			n, err = c.tube.Read(buf[:])
		}
		c.heard = c.heard || n > 0
		c.in.Write(buf[:n])
		if err == errNothing {
			return
		}
		if err != nil {
			for c.readFrame() {
			}
			c.end(err)
			return
		}
		if n == 0 {
			return
		}
	}
}

// end is the end of the connection, as this client sees it.
func (c *client) end(err error) {
	if c.over {
		return
	}
	c.over = true
	c.p.note("client %d: the connection ends: %v", c.id, c.endName(err))
	if !c.heard && c.excuse == "" && c.p.plan.faults.AcceptErrs > 0 {
		c.excuse = "its accept failed"
	}
	if c.in.Len() > 0 && c.excuse == "" {
		c.p.fault("client %d: %d bytes of an unfinished frame at the end", c.id, c.in.Len())
	}
	open := 0
	for _, s := range c.order {
		if !s.over() {
			open++
		}
	}
	if c.excuse == "" && (open > 0 || !c.goaway && !c.ended) {
		c.p.fault("client %d: the connection ended without a reason (%v), GOAWAY %v %v, %d streams open", c.id, err, c.goaway, c.code, open)
	}
	c.tube.closed = true
	c.tube.peer.Close()
}

// endName leaves out what TLS makes random.
func (c *client) endName(err error) string {
	if errors.Is(err, io.EOF) {
		return "EOF"
	}
	return fmt.Sprintf("%T", err)
}

// leave resets the connection.
func (c *client) leave() {
	c.excuse = "it left"
	c.over, c.tube.closed = true, true
	c.tube.peer.Reset()
}
