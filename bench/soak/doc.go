// Soak keeps a percore server under changing load for a given time, and then says whether it has lost anything: wrong
// answers, leaked tasks, ops, buffers, connections, streams, descriptors or goroutines, memory that grows from round
// to round. One line a second shows where it is; the exit code is 1 when a verdict is bad.
//
//	go run ./bench/soak -for 2m
//	go run ./bench/soak -for 8h -driver epoll -rounds 20
//
//	clients: polite, uploading, canceling, reconnecting,  ──TLS, cleartext──▶ server process
//	         slow, rude, flooding with resets                                     │
//	each round: load ──▶ all clients leave ──▶ the server is quiet ──▶ usage ◀────┘ one line of JSON
package main
