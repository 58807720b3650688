// Package driver is the contract between a core and what moves its bytes: a proactor in io_uring's
// shape. Three drivers keep it, and every state machine of percore stands above it, once:
//
//	             submit, cancel, recycle, try-send
//	runtime.Core ───────────────────────────────▶ driver ──▶ io_uring   (driver/uring, on package ring)
//	             ◀─────────────────────────────── driver ──▶ epoll      (driver/epoll)
//	             wait: completions{token,res,more,bid}  ──▶ memory     (driver/sim, seeded, explicit clock)
//
// The uring driver maps one to one. The epoll driver makes completions out of readiness, short I/O and
// More = false included. The sim driver produces legal sequences inside one test.
package driver
