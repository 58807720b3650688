package drivertest

import (
	"net/netip"
	"testing"

	"github.com/percore/percore/internal/driver"
)

// Config are the sizes a test needs of its driver.
type Config struct {
	BufferSize, Buffers, BuffersMax int
}

// Peer is the other end of a connection. No call waits: Write takes what fits, Read returns 0 and no
// error when there is nothing, io.EOF after a FIN, ECONNRESET after a reset.
type Peer interface {
	Write(p []byte) (int, error)
	Read(p []byte) (int, error)
	CloseWrite() error
	Close() error
	Reset() error
}

// Listener is what drivers connect to. Accept returns nil when there is nobody now.
type Listener interface {
	Addr() netip.AddrPort
	Accept() Peer
	Close() error
}

// Network makes peers that the driver under test can reach.
type Network interface {
	Dial(addr netip.AddrPort) (Peer, error)
	Listen() (Listener, error)
}

// Open makes a driver and its network for one test. It runs on the locked thread that uses the driver.
type Open func(t testing.TB, cfg Config) (driver.Driver, Network)

// test is one row of the suite.
type test struct {
	name string
	cfg  Config
	real bool // needs a driver that sleeps and has descriptors of the kernel
	run  func(r *rig)
}

var small = Config{BufferSize: 4096, Buffers: 64, BuffersMax: 64}

// Run runs the whole suite against the drivers that open makes.
func Run(t *testing.T, open Open) {
	for _, group := range [][]test{acceptTests(), recvTests(), sendTests(), connectTests(), cancelTests(), waitTests(), wakeTests(), closeTests(), soakTests()} {
		for _, tt := range group {
			t.Run(tt.name, func(t *testing.T) { runOne(t, open, tt) })
		}
	}
}

func runOne(t *testing.T, open Open, tt test) {
	if tt.cfg == (Config{}) {
		tt.cfg = small
	}
	r := newRig(t, open, tt.cfg)
	if tt.real && !r.real {
		r.close()
		t.Skip("needs a driver that sleeps")
	}
	tt.run(r)
	r.close()
}
