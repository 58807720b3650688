// Package load is the benches' own load generator for echo servers: h2load is there for HTTP/2.
//
//	parent ──"400000"──▶ Echoes: a bare ring, one message under way per connection ──▶ server
//	parent ◀──"done"────
package load
