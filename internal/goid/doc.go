// Package goid names the running goroutine by the address of its g, so that a core can tell in a
// nanosecond whether its caller is its own loop or task.
//
//	running code ──▶ g (TLS on amd64, g register on arm64) ──▶ uintptr, compared, never dereferenced
package goid

// G returns the address of the running goroutine's g. It is good for comparing with a value that was
// taken while that goroutine was known to live; a dead goroutine's g is used again.
func G() uintptr
