// Package socket holds the socket calls that never wait, on real sockets of the kernel. The uring and the
// epoll driver embed Real, so both open, bind and close in the very same way:
//
//	driver.Sockets ◀── socket.Real ──▶ socket(2) bind(2) listen(2) setsockopt(2) shutdown(2) close(2)
//	                       ▲    ▲
//	            driver/uring    driver/epoll
//
// Every descriptor made here is close-on-exec and non-blocking. Real has no state, and its methods may be
// called from any goroutine.
//
// # A group that is exclusive to its process
//
// SO_REUSEPORT lets any socket of the same user join, also one of a second instance started by mistake,
// which would then silently get a share of the connections. So the first socket of a group takes the
// address alone and opens it to its siblings afterwards:
//
//	first:    bind (no SO_REUSEPORT) -> listen -> SO_REUSEPORT on
//	sibling:  SO_REUSEPORT on -> bind -> listen
//
// The listen before SO_REUSEPORT is what leaves no gap. All sockets carry SO_REUSEADDR (otherwise
// TIME_WAIT left by an earlier run would refuse a restart), and two such sockets may share an address as
// long as neither of them listens; listen(2) checks the address once more. Two instances that race may
// thus both bind, but each asks to listen while it is still without SO_REUSEPORT, and of those at most
// one is let through; the other gets EADDRINUSE. The siblings' group is made by the kernel when the first
// sibling listens (inet_reuseport_add_sock), and the first socket is taken into it then.
package socket
