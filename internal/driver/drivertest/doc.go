// Package drivertest is the one conformance suite of the driver contract: every driver passes it whole.
//
//	Run ──▶ open(cfg) ──▶ driver.Driver ◀── rig: submits, waits, checks each completion on arrival
//	           └────────▶ Network ──▶ Peer, the other end of a connection, never waiting
//
// The rig knows what the contract allows for every op in flight: a token that was never submitted, a
// second final completion, a buffer lent twice or a completion with the wrong parts fails at once. Every
// test ends with nothing in flight, nothing lent and no descriptor, goroutine or mapping left.
//
// Peers do not wait, so a test is one goroutine that turns the driver and the peer by hand; that is how
// the same tests fit drivers on the kernel and the one in memory.
package drivertest
