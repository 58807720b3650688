package coreruntime

import (
	"context"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/epoll"
	"github.com/percore/percore/internal/driver/uring"
)

// startDriver starts the runtime on the driver that cfg.Driver asks for. Only DriverAuto may fall back,
// and says so: a silent epoll would hide a performance cliff.
func startDriver(ctx context.Context, cfg Config) (*Runtime, error) {
	if cfg.Driver == DriverEpoll {
		return start(ctx, cfg, epollOpener(cfg))
	}
	rt, err := start(ctx, cfg, uringOpener(cfg))
	if err == nil || cfg.Driver == DriverUring {
		return rt, err
	}
	cfg.Logger.Warn("percore: io_uring is not available here; using epoll, which serves the same (go run ./bench/drivers compares their costs)",
		"driver", driver.Epoll, "why", err)
	rt, fallbackErr := start(ctx, cfg, epollOpener(cfg))
	if fallbackErr != nil {
		return nil, fallbackErr
	}
	rt.info.DriverReason = err
	return rt, nil
}

func uringOpener(cfg Config) opener {
	return func(int) (driver.Driver, error) {
		d, err := uring.Open(uring.Config{
			Entries: cfg.Entries, CQEntries: cfg.CQEntries,
			BufferSize: cfg.BufferSize, Buffers: cfg.Buffers, BuffersMax: cfg.BuffersMax, Ring: cfg.ring(),
		})
		if err != nil {
			return nil, err // not d: a typed nil would not be nil
		}
		return d, nil
	}
}

func epollOpener(cfg Config) opener {
	return func(int) (driver.Driver, error) {
		d, err := epoll.Open(epoll.Config{BufferSize: cfg.BufferSize, Buffers: cfg.Buffers, BuffersMax: cfg.BuffersMax})
		if err != nil {
			return nil, err
		}
		return d, nil
	}
}
