// Package leak fails a test that leaves goroutines or descriptors behind.
//
//	Check(t) ─ notes what is there ─▶ test ─▶ its other Cleanups ─▶ compare, again and again until it
//	                                                              fits or the deadline has passed
//
// Call it first: cleanups run last in, first out, so what the test stops in its own is gone by then. Tests
// that use it must not run in parallel with others of their package.
package leak
