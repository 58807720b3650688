// Package ring is percore's kernel boundary: one io_uring per thread, on the system calls themselves. It is
// the only place with ring system calls and with unsafe access to memory shared with the kernel.
//
//	           NextSQE, Prep...        Submit, Poll, Wait                     Copy
//	one thread ───────────────▶ SQ ───────────────────────▶ kernel ──▶ CQ ──────────▶ completions
//	                                                          │ ▲
//	                                         takes a buffer   ▼ │ Recycle, Publish
//	                                                       buffer ring ──────────────▶ lent by its id (bid)
//
// What the kernel sees is mmap'd, or held on the heap by its owner until the op's final completion: Go
// stacks move, and an address passed as a number keeps nothing alive.
//
// A Ring belongs to the thread that opened it (IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN):
// the kernel completes ops only while that thread is inside Poll or Wait. It needs Linux 6.1; Open says
// what is missing and what to change. See io_uring(7).
package ring
