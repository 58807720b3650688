package coreruntime

import "sync/atomic"

// load is what the other cores see of a core's work. It has a cache line to itself: they read it with each
// connection that they accept, and the fields of the core's own turns must not travel with it.
type load struct {
	_     [cacheLine]byte
	conns atomic.Int64
	_     [cacheLine]byte
}

// cacheLine is what CPUs pass to each other at once, on amd64 and nearly all of arm64.
const cacheLine = 64

// Conns returns how many connections the core has, accepted and dialed, with those that another core has
// sent on their way to it. Any goroutine.
func (c *Core) Conns() int { return int(c.load.conns.Load()) }

// AddConns counts n connections more, or fewer when n is negative. It is for package net, which counts a
// connection on its next core before it is there, so that no two cores send theirs to the same gap. Any
// goroutine.
func (c *Core) AddConns(n int) { c.load.conns.Add(int64(n)) }
