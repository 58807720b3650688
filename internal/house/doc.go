// Package house judges percore's own source by the rules of ARCHITECTURE.md:
// what may import what, which calls are banned and what to use instead, how long
// a file or a function may be, which words we use. A rule that is only written
// down is a wish; house_test.go in the root makes each a failure with a line.
//
//	*.go ──▶ Load ──▶ []*File ──▶ Rules ──▶ findings "file:line: what, and what to do"
//	                              Exceptions: rule + place + reason; a stale one is a finding too
package house
