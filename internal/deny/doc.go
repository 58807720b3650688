// Package deny refuses io_uring to a thread or a process by a real seccomp filter, as a container runtime does, for
// tests of what percore says and does then.
//
//	io_uring_setup, _enter, _register ──▶ filter ──▶ errno          everything else ──▶ kernel
package deny
