package coreruntime

import (
	"sync"
	"time"

	"github.com/percore/percore/internal/driver"
)

// Counter names one of a core's running totals.
type Counter uint8

const (
	// Turns counts passes of the loop.
	Turns Counter = iota
	// TasksStarted, TaskPanics and TasksKilled count tasks; killed ones had to be ended by Goexit.
	TasksStarted
	TaskPanics
	TasksKilled
	// BudgetsSpent counts turns that left ready tasks to the next one because TurnBudget was used up.
	BudgetsSpent
	// Offloads counts Offload calls.
	Offloads
	// Starvations counts receives that had to wait for a provided buffer.
	Starvations
	// StaleCompletions counts completions nobody waited for; it stays 0.
	StaleCompletions
	// ConnsAccepted, ConnsDialed and ConnsClosed count connections.
	ConnsAccepted
	ConnsDialed
	ConnsClosed
	// AcceptErrors counts failed accepts, AcceptBackoffs the pauses made because of them.
	AcceptErrors
	AcceptBackoffs
	// BytesReceived and BytesSent count payload bytes.
	BytesReceived
	BytesSent
	// ShortSends counts sends the socket did not take whole, so that the rest went through the driver.
	ShortSends
	// WriteStalls counts connections aborted because the peer did not read.
	WriteStalls
	// ReceivesPaced counts changes from armed to paced receiving.
	ReceivesPaced
	// BuffersCopied counts received buffers copied out because a connection held too many.
	BuffersCopied
	// Handshakes, HandshakeErrors and HandshakesQueued count TLS handshakes.
	Handshakes
	HandshakeErrors
	HandshakesQueued
	// ConnsMovedOut and ConnsMovedIn count new connections that went to a less loaded core, there and here.
	ConnsMovedOut
	ConnsMovedIn
	// AcceptPauses counts how often accepting paused because of a listener's ConnsMax.
	AcceptPauses

	countersLen
)

// String returns the counter's name as metrics show it.
func (m Counter) String() string {
	return [countersLen]string{
		"turns", "tasks_started", "task_panics", "tasks_killed", "budgets_spent", "offloads", "starvations",
		"stale_completions", "conns_accepted", "conns_dialed", "conns_closed", "accept_errors",
		"accept_backoffs", "bytes_received", "bytes_sent", "short_sends", "write_stalls", "receives_paced",
		"buffers_copied", "handshakes", "handshake_errors", "handshakes_queued",
		"conns_moved_out", "conns_moved_in", "accept_pauses",
	}[m]
}

// Count adds n to a counter. Core only.
func (c *Core) Count(m Counter, n int) { c.counts[m] += uint64(n) }

// CoreMetrics is what one core has done and holds.
type CoreMetrics struct {
	Core     int
	Counters map[string]uint64
	Driver   driver.Counters

	Conns           int   // connections open, and on their way from other cores
	Tasks           int   // tasks alive
	TasksIdle       int   // coroutines kept for reuse
	Ops             int   // ops with the kernel
	Timers          int   // timers armed
	Residents       int   // connections and listeners
	BuffersLent     int   // provided buffers with the core
	Buffers         int   // provided buffers in all
	ChunkBytes      int   // pooled heap memory in use
	MailOverflows   int64 // posts over MailboxMax, from cores
	StarvedReceives int   // receives that wait for a buffer now
}

// Metrics is a snapshot of all cores, each taken between two turns of its own.
type Metrics struct {
	Cores []CoreMetrics
}

// metricsWait bounds how long a snapshot waits for a core that does not answer.
const metricsWait = time.Second

// Metrics asks every core for a snapshot. A core that is gone, or does not answer within 1 s, is left
// out. Any goroutine but a core's.
func (rt *Runtime) Metrics() Metrics {
	answers := make([]*CoreMetrics, len(rt.cores))
	var wg sync.WaitGroup
	for i, c := range rt.cores {
		wg.Go(func() { answers[i] = c.askSnapshot() })
	}
	wg.Wait()
	var m Metrics
	for _, s := range answers {
		if s != nil {
			m.Cores = append(m.Cores, *s)
		}
	}
	return m
}

// askSnapshot waits for the core's answer, nil if it does not come in time. Any goroutine but a core's.
func (c *Core) askSnapshot() *CoreMetrics {
	timer := time.NewTimer(metricsWait)
	defer timer.Stop()
	got := make(chan CoreMetrics, 1)
	if c.postUntil(timer.C, func() { got <- c.snapshot() }) != nil {
		return nil
	}
	select {
	case s := <-got:
		return &s
	case <-c.rt.done:
	case <-timer.C:
	}
	return nil
}

// Snapshot returns the core's metrics. Core only.
func (c *Core) Snapshot() CoreMetrics {
	c.must("Core.Snapshot")
	return c.snapshot()
}

func (c *Core) snapshot() CoreMetrics {
	s := CoreMetrics{
		Core: c.id, Counters: make(map[string]uint64, countersLen), Driver: c.drv.Counters(),
		Conns: c.Conns(), Tasks: c.tasks.count, TasksIdle: c.idleCount, Ops: c.ops.live, Timers: c.wheel.armed,
		Residents: c.residents.count, BuffersLent: c.lent, Buffers: c.drv.Buffers(), ChunkBytes: c.chunks.out,
		MailOverflows: int64(c.overflows.Load()), StarvedReceives: c.starved.len(),
	}
	for m := range countersLen {
		s.Counters[m.String()] = c.counts[m]
	}
	return s
}
