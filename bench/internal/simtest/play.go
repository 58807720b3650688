package simtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/percore/percore/h2"
	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// Result is what came of a plan.
type Result struct {
	Faults   []string // what the model refuses; empty: all is well
	Hash     uint64   // of all events in their order
	Events   []string // with Trace only
	Answers  int      // complete and right
	Excused  int      // streams that ended early for a reason
	Requests int
}

// Trace makes Play keep the events' text.
type Trace bool

// play is one run.
type play struct {
	plan     Plan
	world    *sim.World
	drivers  []*sim.Driver
	cores    []*coreruntime.Core
	restive  []bool // cores whose last turn left work
	server   *h2.Server
	served   chan error
	listener *corenet.Listener
	addr     netip.AddrPort
	clients  []*client
	now      time.Duration
	trace    Trace
	result   Result
	sum      interface {
		Write([]byte) (int, error)
		Sum64() uint64
	}
	shut bool

	running map[int]int // handlers, by client
	handled uint64
	odd     int // streams that misbehaviour may have opened
	rounds  int
	buf     [16 << 10]byte // for what a client receives
}

const (
	faultsMax  = 20
	buffersMax = 64
	roundsMax  = 500             // rounds in which nothing moves
	stallMax   = 2 * time.Minute // longer than any limit of the server for peers that do not go on
)

// Play plays a plan. A panic of the product is a fault like any other.
func Play(plan Plan, trace Trace) (r Result) {
	p := &play{plan: plan, trace: trace, sum: fnv.New64a(), served: make(chan error, 1), running: map[int]int{}}
	defer func() {
		if v := recover(); v != nil {
			p.fault("panic: %v", v)
			r = p.result
		}
	}()
	if err := p.open(); err != nil {
		p.fault("start: %v", err)
		return p.result
	}
	for _, c := range plan.clients {
		p.connect(c)
	}
	for _, s := range plan.steps {
		p.step(s)
		p.round()
	}
	p.finish()
	p.close()
	p.result.Hash = p.sum.Sum64()
	return p.result
}

// note records an event.
func (p *play) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.sum.Write([]byte(text))
	if p.trace {
		p.result.Events = append(p.result.Events, fmt.Sprintf("%12v %s", p.now, text))
	}
}

// fault records something that must not be.
func (p *play) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.note("FAULT %s", text)
	if len(p.result.Faults) < faultsMax {
		p.result.Faults = append(p.result.Faults, text)
	}
}

func (p *play) open() error {
	p.world = sim.New(p.plan.Seed)
	var drivers []driver.Driver
	for i := range p.plan.cores {
		d := p.world.Driver(i, sim.Config{BufferSize: 512, Buffers: 16, BuffersMax: buffersMax})
		p.drivers, drivers = append(p.drivers, d), append(drivers, d)
	}
	p.cores = coreruntime.NewManuals(coreruntime.Config{BufferSize: 512, Buffers: 16, BuffersMax: buffersMax, Logger: quiet()}, drivers...)
	p.cores[0].SetWallTime(time.Unix(1<<30, 0)) // the date's length in HPACK follows its digits
	p.restive = make([]bool, len(p.cores))
	p.server = &h2.Server{Runtime: p.cores[0].Runtime(), Handler: h2.HandlerFunc(p.handle), TLSConfig: serverTLS(), Logger: quiet(), Limits: p.plan.limits}
	lc := corenet.ListenConfig{SurplusMax: p.plan.surplus, ConnsMax: p.plan.conns, Conn: corenet.ConnConfig{OutBufferMax: 32 << 10, RecvTurnMax: 4096}}
	ln, err := lc.Listen(p.server.Runtime, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p.listener = ln
	p.addr = ln.Addr().(*net.TCPAddr).AddrPort()
	p.settle()
	go func() {
		if len(p.plan.clients) > 0 && p.plan.clients[0].secure {
			p.served <- p.server.ServeTLS(ln, nil)
		} else {
			p.served <- p.server.Serve(ln)
		}
	}()
	p.awaitMail()
	p.settle()
	if probe, err := p.world.Dial(p.addr); err != nil { // Serve has refused and closed the listener
		return <-p.served
	} else {
		probe.Close()
	}
	p.world.SetFaults(p.plan.faults)
	return nil
}

// awaitMail waits until a goroutine has posted to every core: from then on nothing happens but by our turns.
func (p *play) awaitMail() {
	for _, c := range p.cores {
		for !c.HasMail() {
			runtime.Gosched()
		}
	}
	for i := range p.restive {
		p.restive[i] = true
	}
}

func (p *play) connect(plan clientPlan) {
	id := len(p.clients)
	peer, err := p.world.Dial(p.addr)
	if err != nil {
		p.fault("client %d cannot connect: %v", id, err)
		return
	}
	p.clients = append(p.clients, newClient(p, id, plan, peer))
}

// round lets every client and every core with a reason act once.
func (p *play) round() {
	p.now += 20 * time.Microsecond
	p.world.Advance(20 * time.Microsecond)
	for _, c := range p.clients {
		if !p.world.Chance(p.plan.faults.PeerStall) {
			c.pump()
		}
	}
	p.turn()
	if p.rounds++; p.rounds%watchEvery == 0 {
		p.watch()
	}
}

// turn turns the cores that have a reason to: work left by their last turn, a wake-up, completions, a timer. A core
// that nobody woke stays asleep, as a real one would.
func (p *play) turn() (any bool) {
	for i, c := range p.cores {
		at := c.NextTimer()
		if !p.restive[i] && !p.drivers[i].Pending() && (at < 0 || at > p.now) {
			continue
		}
		any = true
		c.Turn(p.now)
		p.restive[i] = !c.Idle()
	}
	return any
}

// settle turns until every core sleeps.
func (p *play) settle() {
	for n := 0; p.turn(); n++ {
		if n > roundsMax {
			p.fault("the cores find no rest")
			return
		}
	}
}

// restMin is a time after which whoever could act has acted.
const restMin = 100 * time.Millisecond

// rest turns, and lets clients act, until nothing moves.
func (p *play) rest() {
	for n, idle, moved := 0, 0, 0; n < roundsMax && idle < 10; n++ {
		p.round()
		idle++
		if now := p.moved(); now != moved || p.pending() {
			moved, idle = now, 0
		}
	}
}

// pending reports whether a core has a reason to turn.
func (p *play) pending() bool {
	for i := range p.cores {
		if p.restive[i] || p.drivers[i].Pending() {
			return true
		}
	}
	return false
}

// pass lets time go by, stopping at every timer.
func (p *play) pass(d time.Duration) {
	for end := p.now + d; p.now < end; {
		to := p.nextTimer(end)
		if to-p.now > restMin {
			p.rest()
			to = max(p.now, p.nextTimer(end))
		}
		p.world.Advance(to - p.now)
		p.now = to
		p.round()
	}
}

// nextTimer returns when the next timer of any core wants a turn, end if none does before.
func (p *play) nextTimer(end time.Duration) time.Duration {
	for _, c := range p.cores {
		if at := c.NextTimer(); at > p.now {
			end = min(end, at)
		}
	}
	return end
}

// step does one step of the plan.
func (p *play) step(s step) {
	if p.world.Chance(p.plan.faults.ClockJump) {
		p.excuseAll("the clock jumped")
		p.world.Advance(time.Hour)
		p.now += time.Hour
		p.note("the clock jumps")
	}
	switch s.act {
	case rest:
		for range s.n {
			p.round()
		}
		return
	case pause:
		p.pass(time.Duration(s.n) * time.Millisecond)
		return
	case shutdown:
		p.shutdown()
		return
	}
	if s.client < len(p.clients) {
		p.clients[s.client].do(s)
	}
}

func (p *play) excuseAll(why string) {
	for _, c := range p.clients {
		if c.excuse == "" {
			c.excuse = why
		}
	}
}

// shutdown begins a graceful stop. No goroutine takes part in it, so that every run does it in the same turns: on the
// cores' goroutine Listener.Close does not wait, and a Shutdown that has no time only posts.
func (p *play) shutdown() {
	if p.shut {
		return
	}
	p.shut = true
	p.note("the server shuts down")
	p.excuseAll("the server shut down")
	p.listener.Close()
	none, cancel := context.WithCancel(context.Background())
	cancel()
	p.server.Shutdown(none)
}
