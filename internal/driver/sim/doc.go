// Package sim is a network and a kernel in memory: no descriptor, no thread, no clock but its own. A
// whole server with all its cores runs inside one test, and a seed replays exactly what happened.
//
//	test ──▶ World: clock, descriptor table, listeners, connections, schedule (seed)
//	           │
//	           ├── Driver (core 0) ─ ops ─▶ socket ═ pipe ═▶ socket ◀── Peer (the test's end)
//	           ├── Driver (core 1) ─ ops ─▶ socket ═ pipe ═▶ socket ◀── Driver (a dialed connection)
//	           └── Advance(d): the only way time passes
//
// A pipe is one direction of a connection: the sender's bounded queue and the receiver's bounded queue,
// so that back-pressure is real and a reset loses what a real one loses. What TCP does at shutdown,
// close and reset follows Linux (net/ipv4/tcp.c, tcp_input.c).
//
// Every choice that a kernel is free to make (the order among connections, where a receive is cut, which
// listener of a group gets a connection) is made by schedule, the one place where faults will enter.
//
// A World and all that belongs to it may be used from any goroutine, but nothing in it ever waits or
// wakes anybody: a test turns its cores by hand.
package sim
