// Package emulate holds the two parts of an io_uring that a driver without one brings itself: the
// provided buffer group and the completion queue. The epoll and the sim driver stand on it.
//
//	Submit ──▶ driver ──take──▶ Group ──┐ bid          Queue ──▶ Wait(out)
//	             │                      └──▶ filled ──▶  ▲
//	             └── finished, refused, canceled ────────┘
//	Recycle ──────────────────▶ Group
//
// Nothing here is safe for concurrent use: both belong to the driver's core.
package emulate
