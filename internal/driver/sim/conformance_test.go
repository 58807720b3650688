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
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			drivertest.Run(t, func(t testing.TB, cfg drivertest.Config) (driver.Driver, drivertest.Network) {
				w := sim.New(seed)
				t.Cleanup(func() {
					if n := w.OpenFDs(); n != 0 {
						t.Errorf("%d descriptors left open", n)
					}
				})
				return w.Driver(0, sim.Config(cfg)), network{w}
			})
		})
	}
}
