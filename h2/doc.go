// Package h2 is an HTTP/2 server (RFC 9113) whose connections live on percore's cores.
//
// One request through the files, from bytes received to bytes sent:
//
//	bytes -> prefaceReader, frameReader     reader.go        frames, at whatever offsets the bytes were split
//	      -> load functions                 frame_*.go       form and size of each frame
//	      -> streamState, inflow            state.go flow.go may this frame come now? does it fit the window?
//	      -> blockDecoder -> requestHead    hpack_decode.go  fields within limits
//	                                        headers.go       a well-formed request (section 8)
//	      -> handler task                                    user code, on the connection's core
//	      <- blockEncoder                   hpack_encode.go  status and fields
//	      <- outflow                        flow.go          DATA within the peer's windows
//	bytes <- append functions               frame_*.go       into the buffer of one send
//
// All of it but the server is pure: bytes in, bytes out, the time handed in. Nothing in it blocks, reads a clock or
// knows a socket. Errors have a scope: a connection error ends the connection with GOAWAY, a stream error ends
// one stream with RST_STREAM; users find them as *ConnectionError and *StreamError with errors.As. What one
// connection may cost is bounded by Limits.
package h2
