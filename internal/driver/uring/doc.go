// Package uring is the driver on io_uring: the contract of package driver, mapped one to one onto package
// ring.
//
//	core ── Submit ──▶ SQE ─┐                        ┌─▶ CQE ── Wait ──▶ Completion ── core
//	                        ├──▶ enter (in Wait) ────┤
//	any goroutine ─ Wake ─▶ eventfd ── multishot poll┘
//
// A driver belongs to the thread that opened it; only Wake may be called from elsewhere.
//
// # Sleeping and waking
//
// One word says what the core does: awake, asleep, or woken. Wait goes from awake to asleep by compare and
// swap immediately before it enters the kernel, Wake from asleep to woken by compare and swap before it
// writes the eventfd. So a Wake that comes first makes the swap of Wait fail, and one that comes later
// writes: none is lost, and a core that does not sleep is woken without a system call. Wait sets the word
// back to awake before it returns, and the core looks into its mailbox after that: what was posted before
// a Wake that found the word at woken is therefore seen.
package uring
