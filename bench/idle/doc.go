// Idle prints the user memory of an idle connection that was served once: HTTP/2 in cleartext, HTTP/2 over TLS, and an
// echo task, against the budgets of ARCHITECTURE.md.
//
//	go run ./bench/idle
//
//	clients (own process): connect, one request, keep still ──▶ server (own process)
//	bytes = (heap + stacks + percore's mapped memory, after two collections, with the connections - without) / connections
//
// Kernel memory of the sockets is not counted: it is the same for every server.
package main
