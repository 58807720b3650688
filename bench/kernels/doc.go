// Kernels runs the functional tests of ring, runtime, net, tls, h2 and the drivers on other kernels than this machine's:
// it boots Debian's cloud kernels in qemu, with static test binaries in an initrd that it writes itself. The README's
// supported kernels come from its runs.
//
//	go run ./bench/kernels                        6.1 and 6.12
//	go run ./bench/kernels -kernels 6.1 -suites ring,net -v
//	go run ./bench/kernels -arm64                 this kernel, arm64 binaries in qemu-user, pure packages
//
//	apt-get download ─▶ vmlinuz (cached) ──────────────┐
//	go build guest ──▶ /init ────┐                     ▼
//	go test -c ──────▶ binaries ─┼─▶ cpio ─▶ qemu-system-x86_64 -accel tcg ─▶ ttyS0: the kernel's log
//	testdata, suites.json ───────┘            guest: mounts, lo up,       └─▶ ttyS1: a JSON line per suite
//	                                          each binary in its folder              └─▶ report, exit status
//
// It needs no root, but for installing qemu. There is no KVM where it usually runs: the guest is 10 to 30 times slower
// than this machine, so tests run with -test.short. What is left out besides is in suites.go, each with its reason.
package main
