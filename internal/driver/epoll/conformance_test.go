package epoll

import (
	"testing"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/drivertest"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, open)
}

func open(t testing.TB, cfg drivertest.Config) (driver.Driver, drivertest.Network) {
	d, err := Open(Config(cfg))
	if err != nil {
		t.Fatal(err)
	}
	return d, drivertest.Loopback{}
}
