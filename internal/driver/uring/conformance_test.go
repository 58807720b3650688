package uring_test

import (
	"testing"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/drivertest"
	"github.com/percore/percore/internal/driver/uring"
	"github.com/percore/percore/ring"
)

// The driver as it comes, and with everything that can be switched the other way.
func TestConformance(t *testing.T) {
	for name, options := range map[string]ring.Config{
		"default": {},
		"plain":   {NoSQArray: ring.Off, RegisterFD: ring.Off, RegisterWait: ring.Off, NoIOWait: ring.Off, Restrict: true},
	} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, func(t testing.TB, cfg drivertest.Config) (driver.Driver, drivertest.Network) {
				d, err := uring.Open(uring.Config{Entries: 64, CQEntries: 256, BufferSize: cfg.BufferSize, Buffers: cfg.Buffers,
					BuffersMax: cfg.BuffersMax, Ring: options})
				if err != nil {
					t.Fatal(err)
				}
				return d, drivertest.Loopback{}
			})
		})
	}
}
