// Probe prints what this machine offers percore, and what to change to get the rest.
//
//	go run ./examples/probe          one screen
//	go run ./examples/probe -json    the same as one JSON object, for scripts
//
//	/proc, limits, trials ──▶ ring.Gather ──┐
//	affinity mask, cgroup ──────────────────┴▶ coreruntime.Diagnose ──▶ screen or JSON, exit status
//
// Exit status: 0 when percore takes io_uring here, 1 when it takes epoll (the screen says why), 2 for flags that make no
// sense. Run it where the server is to run: in the same container, as the same user.
package main
