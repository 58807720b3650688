package main

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/percore/percore/runtime"
)

// screen prints what runs and why, and commands to try.
func (s *server) screen(out io.Writer) {
	info := s.rt.Info()
	var b strings.Builder
	fmt.Fprintf(&b, "percore %s, %s, linux %s %s\n", version(), runtime.Version(), info.Kernel, runtime.GOARCH)
	fmt.Fprintf(&b, "driver   %s (%s)\n", info.Driver, s.why(info))
	fmt.Fprintf(&b, "cores    %d of %d CPUs allowed, %d in the machine%s; GOMAXPROCS %d\n",
		info.Cores, info.CPUs, info.MachineCPUs, quota(info), runtime.GOMAXPROCS(0))
	fmt.Fprintf(&b, "threads  locked, %s\n", pinned(info))
	fmt.Fprintf(&b, "memory   %.1f MiB mapped for rings and buffers, not pre-populated; GOMEMLIMIT does not count it\n",
		float64(info.MappedBytes)/(1<<20))
	s.ports(&b)
	io.WriteString(out, b.String())
}

func (s *server) ports(b *strings.Builder) {
	if s.addr != nil {
		fmt.Fprintf(b, "http     %s: HTTP/2 in cleartext, with prior knowledge\n", s.addr)
	}
	if s.tls != nil {
		from := "a development certificate made in memory, for localhost"
		if s.o.cert != "" {
			from = "the certificate in " + s.o.cert
		}
		fmt.Fprintf(b, "https    %s: HTTP/2 by ALPN, with %s\n", s.tls, from)
	}
	if s.debug != nil {
		fmt.Fprintf(b, "debug    http://%s/debug/vars and /debug/pprof/ (HTTP/1.1)\n", local(s.debug.addr))
	}
	b.WriteString("try\n")
	if s.addr != nil {
		fmt.Fprintf(b, "  curl --http2-prior-knowledge http://%s/plaintext\n", local(s.addr))
		fmt.Fprintf(b, "  nghttp -v http://%s/trailers\n", local(s.addr))
		fmt.Fprintf(b, "  h2load -n 1000000 -c 32 -m 32 http://%s/plaintext\n", local(s.addr))
	}
	if s.tls != nil {
		fmt.Fprintf(b, "  curl -k --http2 https://%s/headers\n", local(s.tls))
		fmt.Fprintf(b, "  curl -kN --http2 'https://%s/stream?n=5&ms=300'\n", local(s.tls))
	}
	b.WriteString("stop with Ctrl-C\n")
}

func (s *server) why(info coreruntime.Info) string {
	switch {
	case info.DriverReason != nil:
		return "io_uring cannot be used: " + info.DriverReason.Error()
	case s.o.driver == coreruntime.DriverAuto:
		return "the best this kernel offers"
	default:
		return "asked for by -driver"
	}
}

func quota(info coreruntime.Info) string {
	if info.Quota <= 0 {
		return ", no quota"
	}
	return ", quota " + strconv.FormatFloat(info.Quota, 'f', 2, 64)
}

func pinned(info coreruntime.Info) string {
	if len(info.Pinned) == 0 {
		return "not pinned (these CPUs are shared with others; -pin binds them)"
	}
	return strings.Trim(fmt.Sprintf("pinned to CPUs %v", info.Pinned), "[]")
}

// local turns an address to listen on into one to connect to.
func local(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
