// Package simtest plays a whole HTTP/2 server, over TLS and in cleartext, on simulated cores with clients that follow
// a plan, and compares what the clients see with a model: every response is complete and right, or its stream or
// connection ended with an error that the plan explains; no window is exceeded; nothing is left at the end.
//
//	seed ──▶ Plan: clients, steps, faults ──▶ Play ──▶ Result{faults found, hash of all events}
//	              ▲                            │
//	              └── Reduce: leave out ◀──────┘ failed
//
//	client ──frames──▶ tls.Conn or nothing ──▶ sim.Peer ══ sim.World ══ sim.Driver ──▶ Core ──▶ h2.Server
//	   └── model: what is asked, what must come, windows, why it may end
//
// One goroutine turns everything, and all choices come from the seed: a seed replays exactly.
package simtest
