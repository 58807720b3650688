// Echo prints what an echo of 64 bytes costs in server CPU on 512 connections: percore, one task for each connection,
// against one goroutine for each connection of the standard library's net, in the same run: with the same code,
// io.Copy(conn, conn), and with a hand-written loop, which is leaner there.
//
//	go run ./bench/echo
//
//	load: a bare ring, one message under way per connection (CPU 1) ──▶ percore (CPU 0)
//	                                                                  └─▶ net     (CPU 0)   in turn
package main
