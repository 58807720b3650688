package sim_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/drivertest"
	"github.com/percore/percore/internal/driver/sim"
)

// network is a world as the suite sees it.
type network struct{ w *sim.World }

func (n network) Dial(addr netip.AddrPort) (drivertest.Peer, error) {
	p, err := n.w.Dial(addr)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (n network) Listen() (drivertest.Listener, error) {
	l, err := n.w.Listen(netip.MustParseAddrPort("127.0.0.1:0"))
	return listener{l}, err
}

type listener struct{ *sim.PeerListener }

func (l listener) Accept() drivertest.Peer {
	if p := l.PeerListener.Accept(); p != nil {
		return p
	}
	return nil
}

func TestConformance(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { conform(t, seed, sim.Faults{}) })
	}
}

// TestConformanceWithFaults leaves out what the suite's tests, which look for one thing each, rightly call a failure on
// a healthy kernel: refused accepts and buffers, lost multishots and cancels, short sends where there is room.
func TestConformanceWithFaults(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			conform(t, seed, sim.Faults{ShortRecv: 100, Reorder: 300, Delay: 200, EarlyReturn: 200})
		})
	}
}

func conform(t *testing.T, seed uint64, faults sim.Faults) {
	drivertest.Run(t, func(t testing.TB, cfg drivertest.Config) (driver.Driver, drivertest.Network) {
		w := sim.New(seed)
		w.SetFaults(faults)
		t.Cleanup(func() {
			if n := w.OpenFDs(); n != 0 {
				t.Errorf("%d descriptors left open", n)
			}
		})
		return w.Driver(0, sim.Config(cfg)), network{w}
	})
}
