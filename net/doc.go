// Package corenet is net for cores: listeners, connections and dialing on percore's runtime. Its std
// namesake is net; a bare net. is always the standard library.
//
//	Listener ── one CoreListener per core ── multishot accept ──▶ Conn
//	                                                               │
//	   kernel ─ CQE, lent buffer ─▶ received ─┬─▶ queue ─▶ Read, WriteTo      task face: a net.Conn
//	     ▲                              ▲     └─▶ Protocol.Data               protocol face: Bind, Serve
//	     │                          arm, pace                │
//	     │                                               Touch │
//	     └── rest: chunk, Send op ◀── TrySend ◀── Write, Protocol.Flush (end of the turn)
//
// # Faces
//
// A task uses a Conn as a net.Conn: its calls park the task, never the core. io.Copy(conn, conn) echoes out
// of the kernel's own buffers. A Protocol is called for each event and has no coroutine; TLS and HTTP/2 are
// protocols. A connection starts with the task face; Bind gives it to a Protocol for good.
//
// # Who owns what until when
//
//   - A received buffer is lent from its completion to Recycle. A Conn keeps at most BufsPerConnMax, then
//     copies; Data and Write of WriteTo see it for the call only.
//   - A chunk of output belongs to the kernel from submitSend to the send's completion. One send is in
//     flight at most, or two could change places.
//   - The descriptor is closed when no op is in flight: closing it under one would post no completion and
//     keep the socket open.
//
// # Receiving
//
// Armed: one multishot recv while the connection is quiet; it costs no buffer and no system call.
// Paced: one recv at a time, once a turn brought more than RecvTurnMax or too much lay unread, so that a
// fast peer cannot take the core's buffers. Eight short receives in a row lead back. ENOBUFS goes to the
// core's starvation list, first come first served.
package corenet
