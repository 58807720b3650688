package simtest

import (
	"math/rand/v2"
	"time"

	"github.com/percore/percore/h2"
	"github.com/percore/percore/internal/driver/sim"
)

// act is what a client does in a step.
type act uint8

const (
	get      act = iota // GET of n pattern bytes
	post                // POST of n bytes in chunks, which must come back
	lines               // GET of n lines, flushed one by one, with a trailer
	sleep               // GET of an answer that takes n ms
	panics              // GET of a handler that panics
	early               // POST to a handler that answers before it has read the body
	credit              // WINDOW_UPDATEs for what was read
	settings            // a new SETTINGS_INITIAL_WINDOW_SIZE of n
	ping                // n PINGs at once
	priority            // PRIORITY, which means nothing
	reset               // RST_STREAM of one of the own streams
	rest                // n turns pass
	pause               // n ms pass
	bad                 // a frame that ends the connection: the n-th kind of them
	gone                // the TCP connection is reset
	half                // the client ends its direction after its requests
	shutdown            // the server shuts down
	trailers            // POST of n bytes and trailers, which must come back
	fields              // GET of an answer with n fields
	spoil               // GET of a handler that fails in its n-th way after it has begun to answer
	stuffed             // GET with n bytes of fields
	crowd               // n GETs at once, whatever the server allows
	quick               // n requests that are reset at once
	wrong               // a request with the n-th fault, which ends its stream only
	deaf                // nothing is read for n ms
	torn                // after n more bytes the client falls silent, resets or ends its direction
	farewell            // GOAWAY of the client, which means nothing for what is open
	table               // SETTINGS_HEADER_TABLE_SIZE of n
	again               // one more client of the same kind connects
	unknown             // a fault of the client that the model does not excuse, for the test of Reduce
	acts
)

// step is one line of a plan.
type step struct {
	client int
	act    act
	n      int
}

// clientPlan is what a client is like.
type clientPlan struct {
	secure   bool
	old      bool // TLS 1.2
	stranger bool // does not speak HTTP/2
	lazy     bool // gives credit only when a step says so
	padded   bool
	split    bool // field blocks go in CONTINUATION frames
	window   int  // its first SETTINGS_INITIAL_WINDOW_SIZE
	bytewise bool // sends its bytes in small pieces
}

// Plan is everything that will happen, apart from the world's own dice.
type Plan struct {
	Seed    uint64
	cores   int
	clients []clientPlan
	steps   []step
	faults  sim.Faults
	limits  h2.Limits
	surplus int // ListenConfig.SurplusMax
	conns   int // ... and ConnsMax
}

// NewPlan makes the plan of a seed. Three quarters of the plans have a misbehaving kernel, a quarter uses TLS.
func NewPlan(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 0x706c616e))
	p := Plan{Seed: seed, cores: 1 + r.IntN(3), limits: newLimits(r),
		surplus: []int{0, 1, -1}[r.IntN(3)], conns: []int{0, 0, 2}[r.IntN(3)]}
	if seed%4 != 0 {
		p.faults = sim.AllFaults()
		p.faults.PeerReset = 0 // the plan says who leaves when
	}
	secure := seed%4 == 1
	for range 1 + r.IntN(4) {
		p.clients = append(p.clients, clientPlan{
			secure: secure, old: secure && r.IntN(4) == 0, lazy: r.IntN(3) == 0, padded: r.IntN(4) == 0, split: r.IntN(4) == 0,
			stranger: r.IntN(50) == 0,
			window:   []int{65535, 0, 1, 100, 5000, 1 << 20}[r.IntN(6)], bytewise: r.IntN(6) == 0,
		})
	}
	for range 10 + r.IntN(60) {
		p.steps = append(p.steps, newStep(r, len(p.clients)))
	}
	return p
}

// newLimits are the server's limits: small ones, that plans of few steps reach them.
func newLimits(r *rand.Rand) h2.Limits {
	return h2.Limits{
		StreamsMax: []int{3, 10, 100}[r.IntN(3)], StreamWindowMax: []int{3000, 3000, 100, 9000}[r.IntN(4)],
		ConnWindowMax: []int{1 << 20, 65535}[r.IntN(2)], RepliesMax: []int{1000, 4}[r.IntN(2)],
		FramesTurnMax: []int{64, 2}[r.IntN(2)], BytesTurnMax: []int{64 << 10, 1 << 10}[r.IntN(2)],
		HeaderBytesMax: 1 << 10, ContinuationsMax: 3, OutBufferMax: 32 << 10, IdleMax: 40 * time.Second,
	}
}

// weights are how often each act is chosen.
var weights = [acts]int{get: 20, post: 14, lines: 8, sleep: 5, panics: 2, early: 3, credit: 14, settings: 6, ping: 4,
	priority: 2, reset: 5, rest: 14, pause: 6, bad: 2, gone: 1, half: 1, shutdown: 0,
	trailers: 5, fields: 2, spoil: 2, stuffed: 2, crowd: 2, quick: 1, wrong: 4, deaf: 3, torn: 2, farewell: 1, table: 2, again: 2}

func newStep(r *rand.Rand, clients int) step {
	s := step{client: r.IntN(clients)}
	total := 0
	for _, w := range weights {
		total += w
	}
	for k := r.IntN(total); ; s.act++ {
		if k -= weights[s.act]; k < 0 {
			break
		}
	}
	switch s.act {
	case get, post, early, trailers:
		s.n = r.IntN(1 << r.IntN(17))
	case lines, crowd, quick:
		s.n = 1 + r.IntN(20)
	case ping:
		s.n = 1 + r.IntN(1<<r.IntN(9))
	case fields:
		s.n = r.IntN(1 << r.IntN(9))
	case stuffed, table, torn:
		s.n = r.IntN(1 << r.IntN(14))
	case spoil:
		s.n = r.IntN(spoilKinds)
	case wrong:
		s.n = r.IntN(wrongKinds)
	case settings:
		s.n = r.IntN(1 << r.IntN(18))
	case bad:
		s.n = r.IntN(badKinds)
	case rest:
		s.n = 1 + r.IntN(10)
	case sleep, pause, deaf:
		s.n = 1 + r.IntN(200)
	}
	if s.act == gone && r.IntN(3) == 0 {
		s.act = shutdown
	}
	return s
}
