// Drivers compares percore on io_uring with percore on epoll, in server CPU and in one run, interleaved; and percore on
// epoll with a loop written by hand on epoll_wait, read and write, because a comparison with a slow epoll would flatter
// io_uring.
//
//	go run ./bench/drivers
//
//	echo of 64 bytes on 8, 64, 512 connections: uring, epoll, by hand   ◀── a bare ring (bench/internal/load)
//	HTTP/2 in cleartext 32x1, 32x32, 512x1:     uring, epoll            ◀── h2load
//
// Beside the times stand the completions that one system call of each driver's Wait brought, on which all that io_uring
// saves depends. Where io_uring costs more beyond the spread, the table says why.
package main
