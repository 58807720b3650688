// Seccomp writes bench/docker/seccomp.json: the rules of Docker's default profile for amd64 and arm64, and the three calls
// of io_uring besides, which Docker has refused since 25.0.
//
//	go run ./bench/docker/seccomp              writes it, from the root of the module
//	go run ./bench/docker/seccomp -o FILE      elsewhere
//	docker run --security-opt seccomp=bench/docker/seccomp.json IMAGE
//
//	tables of names (names.go) ──▶ profile ──▶ JSON ──▶ dockerd ──▶ BPF filter of the container
//
// It is the profile of SECURITY.md. What a container with all default capabilities may call is in always; what needs a
// capability is allowed only to a container that was given it.
package main
