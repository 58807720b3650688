package h2

import (
	"sync/atomic"
	"time"
)

// publishedMetrics holds the latest copy of a core's totals.
type publishedMetrics struct{ p atomic.Pointer[Metrics] }

// metricsWaitMax bounds how long Metrics waits for cores that are busy.
const metricsWaitMax = 100 * time.Millisecond

// Metrics returns the totals over all cores. It asks each core for a copy and waits for them at most 100 ms; a
// core that is busy for longer, or that calls Metrics itself, is counted as it was at the last call. Any goroutine.
func (s *Server) Metrics() Metrics {
	s.mu.Lock()
	cores := s.cores
	s.mu.Unlock()
	onCore := false
	done := make(chan struct{}, len(cores))
	waiting := 0
	for _, k := range cores {
		if k.core.Check("Server.Metrics") == nil {
			onCore = true
			k.publish()
		} else if k.core.Post(func() { k.publish(); done <- struct{}{} }) == nil {
			waiting++
		}
	}
	if !onCore {
		await(done, waiting)
	}
	var sum Metrics
	for _, k := range cores {
		if m := k.published.p.Load(); m != nil {
			sum.add(m)
		}
	}
	return sum
}

func await(done <-chan struct{}, n int) {
	timeout := time.NewTimer(metricsWaitMax)
	defer timeout.Stop()
	for ; n > 0; n-- {
		select {
		case <-done:
		case <-timeout.C:
			return
		}
	}
}

func (k *serverCore) publish() {
	m := k.pool.metrics
	k.published.p.Store(&m)
}
