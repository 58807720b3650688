// Seccomp writes bench/docker/seccomp.json: the rules of Docker's default profile for amd64 and arm64, and the three calls
// of io_uring besides, which Docker has refused since 25.0; and seccomp-kubernetes.json, the same without conditions.
//
//	go run ./bench/docker/seccomp              writes both, from the root of the module
//	docker run --security-opt seccomp=bench/docker/seccomp.json IMAGE
//
//	tables of names (names.go) ──▶ profile ──┬─▶ seccomp.json ──▶ dockerd decides the conditions ──▶ BPF filter of the container
//	                                         └─▶ resolve ──▶ seccomp-kubernetes.json ──▶ containerd ──▶ the same
//
// They are the profiles of SECURITY.md. What a container with all default capabilities may call is in always; what needs a
// capability is allowed only to a container that was given it.
package main
