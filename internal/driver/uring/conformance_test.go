package uring_test

import (
	"testing"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/drivertest"
	"github.com/percore/percore/internal/driver/uring"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, func(t testing.TB, cfg drivertest.Config) (driver.Driver, drivertest.Network) {
		d, err := uring.Open(uring.Config{Entries: 64, CQEntries: 256, BufferSize: cfg.BufferSize, Buffers: cfg.Buffers, BuffersMax: cfg.BuffersMax})
		if err != nil {
			t.Fatal(err)
		}
		return d, drivertest.Loopback{}
	})
}
