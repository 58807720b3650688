package sim

// pipe is one direction of a connection. Its bytes stand in two queues:
//
//	buf[off:off+arrived]   receiver's queue, at most rcvMax: survives the sender's reset
//	buf[off+arrived:]      sender's queue, at most sndMax: lost with a reset
//
// The network between the two is instant: arrived is as large as rcvMax lets it be.
type pipe struct {
	buf     []byte
	off     int
	arrived int
	sndMax  int
	rcvMax  int
	fin     bool // the sender has ended this direction, after the bytes in buf
	gone    bool // the receiver has closed: bytes that arrive are answered by a reset
}

func (p *pipe) len() int  { return len(p.buf) - p.off }
func (p *pipe) room() int { return max(0, p.sndMax+p.rcvMax-p.len()) }

// ended reports whether the receiver has the sender's FIN and everything before it.
func (p *pipe) ended() bool { return p.fin && p.arrived == p.len() }

// write queues what fits of b and returns its length.
func (p *pipe) write(b []byte) int {
	n := min(len(b), p.room())
	if p.off > 0 && len(p.buf)+n > cap(p.buf) {
		p.buf = p.buf[:copy(p.buf, p.buf[p.off:])]
		p.off = 0
	}
	p.buf = append(p.buf, b[:n]...)
	p.move()
	return n
}

// read takes what has arrived.
func (p *pipe) read(b []byte) int {
	n := copy(b, p.buf[p.off:p.off+p.arrived])
	p.off += n
	p.arrived -= n
	if p.len() == 0 {
		p.buf, p.off = p.buf[:0], 0
	}
	p.move()
	return n
}

// move carries bytes from the sender's queue to the receiver's.
func (p *pipe) move() { p.arrived = max(p.arrived, min(p.len(), p.rcvMax)) }

// cutOff drops what the receiver does not have yet: the sender was reset or sent one.
func (p *pipe) cutOff() { p.buf = p.buf[:p.off+p.arrived] }

// clear drops everything.
func (p *pipe) clear() { p.buf, p.off, p.arrived = nil, 0, 0 }
