// Server is percore's HTTP/2 server, ready to be tried: cleartext on one port, TLS on another, native handlers on
// every core.
//
//	go run ./examples/server
//	curl --http2-prior-knowledge http://localhost:8080/plaintext
//	curl -k --http2 https://localhost:8443/headers
//
// How the files hang together:
//
//	main.go    signals ──▶ run ──▶ parseFlags        flags.go     exit status 2
//	                         │
//	server.go                ├──▶ start ──▶ certificate cert.go   exit status 1
//	                         │      ├──▶ coreruntime.Start, corenet.Listen (both ports bound before either serves)
//	                         │      └──▶ h2.Server ──▶ route      routes.go, stream.go
//	screen.go                ├──▶ what runs, and commands to try
//	debug.go                 ├──▶ metrics and pprof, on ordinary goroutines
//	                         └──▶ stop: GOAWAY, finish, stop
package main
