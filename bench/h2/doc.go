// H2 prints what a request costs in server CPU: percore's examples/server against nghttpd, the same 13 bytes, the same
// certificate, the server on one CPU and h2load on another.
//
//	go run ./bench/h2
//
//	h2load (CPU 1) ──▶ percore  (CPU 0)  ┐
//	h2load (CPU 1) ──▶ nghttpd  (CPU 0)  ┘ one pair; repeated, order changing; CPU clock of the server process
//
// Client and server share caches and the memory bus, and a machine shared with others adds noise: trust the ratio and
// its spread, not the microseconds.
package main
