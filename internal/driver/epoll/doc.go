// Package epoll is the driver for kernels and containers without io_uring: it makes completions out of
// readiness. See epoll(7).
//
//	Submit ──▶ send, connect: tried at once ──▶ done? ──▶ queue of completions ──▶ Wait(out)
//	   │                          │ EAGAIN                       ▲
//	   └──▶ recv, accept ────▶ waits at its fdState              │ one syscall per completion,
//	                              ▲                              │ in bursts, descriptors in turn
//	       epoll_wait ── edge ────┴──▶ active descriptors ───────┘
//
// A descriptor is registered once, edge-triggered for both directions. A registration is trusted only
// while an op waits there without a break (fdState.watched): the descriptor may since have been closed
// and its number used again behind the driver's back, and then an op would wait for ever. The first op
// to wait again renews it with one epoll_ctl, which also reports what is ready already.
package epoll
