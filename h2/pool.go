package h2

// streamTask is the task side of a stream, made once per pooled stream by whoever runs handlers: server.go, or a
// test's fake host.
type streamTask interface {
	// start makes s.serve run as a task in this turn's task phase.
	start()
	// park suspends the calling task until wake(side). The error says why the task was canceled.
	park(side side) error
	// check returns an error that names method unless the caller is on the stream's core.
	check(method string) error
	// wake makes the task parked at side ready; without one it does nothing.
	wake(side side)
}

// side names the two places where the tasks of a stream can park: one that reads the request body and one that
// writes the response may wait at the same time (full duplex).
type side uint8

const (
	sideRead side = iota
	sideWrite
	sides
)

// pool holds what the connections of one core share, so that an idle connection owns next to nothing.
// It belongs to its core.
type pool struct {
	newTask   func(s *stream) streamTask
	chunk     func(n int) []byte // counted heap memory
	freeChunk func(p []byte)
	date      string // value of the date field, "" leaves it out; kept up to date by the host
	metrics   Metrics
	paths     pathCache

	streams []*stream // free
	ctrl    [][]byte  // free control buffers
}

const (
	streamsPooledMax = 1024
	ctrlPooledMax    = 64
	ctrlPooledLen    = 512
	fieldsPooledMax  = 32 // a longer field slice is not kept
	bodyChunkMin     = 4 << 10
	bodyChunkMax     = 16 << 10
)

// newPool returns a pool; nil chunk functions use the Go heap.
func newPool(newTask func(s *stream) streamTask, chunk func(n int) []byte, freeChunk func([]byte)) *pool {
	if chunk == nil {
		chunk, freeChunk = func(n int) []byte { return make([]byte, n) }, func([]byte) {}
	}
	return &pool{newTask: newTask, chunk: chunk, freeChunk: freeChunk}
}

// takeStream returns an empty stream.
func (p *pool) takeStream() *stream {
	if n := len(p.streams); n > 0 {
		s := p.streams[n-1]
		p.streams[n-1] = nil
		p.streams = p.streams[:n-1]
		return s
	}
	s := &stream{}
	s.req.s, s.req.Body, s.res.s, s.body.s = s, &s.body, s, s
	s.task = p.newTask(s)
	s.reset()
	return s
}

// putStream takes a stream back that neither a handler nor a connection refers to any more.
func (p *pool) putStream(s *stream) {
	s.reset()
	if len(p.streams) < streamsPooledMax {
		p.streams = append(p.streams, s)
	}
}

func (p *pool) takeCtrl() []byte {
	n := len(p.ctrl)
	if n == 0 {
		return make([]byte, 0, ctrlPooledLen)
	}
	b := p.ctrl[n-1]
	p.ctrl[n-1] = nil
	p.ctrl = p.ctrl[:n-1]
	return b
}

func (p *pool) putCtrl(b []byte) {
	if cap(b) == ctrlPooledLen && len(p.ctrl) < ctrlPooledMax {
		p.ctrl = append(p.ctrl, b[:0])
	}
}
