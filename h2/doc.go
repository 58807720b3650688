// Package h2 is an HTTP/2 server (RFC 9113) whose connections live on percore's cores.
//
//	handler := h2.HandlerFunc(func(w *h2.Response, r *h2.Request) {
//		w.Set("content-type", "text/plain")
//		w.WriteString("Hello, World!")
//	})
//	log.Fatal(h2.ListenAndServe(":8080", handler))
//
// A handler is a task on the core of its connection: it may block through percore only (its body, its response, its
// core's timers), never on a lock or channel that another task of the core holds.
//
// One request through the files, from bytes received to bytes sent:
//
//	bytes -> prefaceReader, frameReader  reader.go          frames, at whatever offsets the bytes were split
//	      -> load functions              frame_*.go         form of each frame
//	      -> conn                        conn_recv*.go      dispatch; SETTINGS, PING, GOAWAY in conn_control.go
//	      -> streamState, inflow         state.go, flow.go  may this frame come now? does it fit the window?
//	      -> blockDecoder, section       hpack_decode.go    fields within limits,
//	                                     headers.go         of a well-formed request (section 8)
//	      -> handler task                handler.go         user code
//	      <- Response, blockEncoder      response.go        status and fields, hpack_encode.go
//	      <- scheduler, outflow          sched.go, flow.go  DATA within the peer's windows, streams in turn
//	bytes <- append functions            frame_*.go         into the buffer of one send
//
// All but the server is pure: bytes in, bytes out, the time handed in. It blocks nowhere, reads no clock and knows no
// socket.
//
// Errors have a scope: a connection error ends the connection with GOAWAY, a stream error ends one stream with
// RST_STREAM. Users find them with errors.As as *ConnectionError and *StreamError, which also name the side that
// ended it. What one connection may cost is bounded by Limits.
package h2
