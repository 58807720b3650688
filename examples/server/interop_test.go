package main

import (
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

const nghttp2 = "apt-get install -y nghttp2"

// TestCurl is what a newcomer types first.
func TestCurl(t *testing.T) {
	curl := tool(t, "curl", "apt-get install -y curl")
	onDrivers(t, func(t *testing.T, s *server) {
		onPorts(t, s, func(t *testing.T, url string, secure bool) {
			how := "--http2-prior-knowledge"
			if secure {
				how = "--http2"
			}
			args := []string{"-sk", how, "--max-time", "20", "-w", " %{http_version} %{http_code}"}
			if got := output(t, curl, append(args, url+"/plaintext")...); got != "Hello, World! 2 200" {
				t.Error(got)
			}
			got := output(t, curl, append(args, "--limit-rate", "2M", "-o", "/dev/null", url+"/bytes/1000000")...)
			if got != " 2 200" {
				t.Error(got)
			}
			if got := output(t, curl, append(args, "-d", "up and back", url+"/echo")...); got != "up and back 2 200" {
				t.Error(got)
			}
		})
	})
}

// TestNghttp sends priorities and an upgrade-free preface of another make.
func TestNghttp(t *testing.T) {
	nghttp := tool(t, "nghttp", nghttp2)
	onDrivers(t, func(t *testing.T, s *server) {
		onPorts(t, s, func(t *testing.T, url string, secure bool) {
			if got := output(t, nghttp, "-t", "20", "-m", "20", url+"/plaintext"); strings.Count(got, "Hello, World!") != 20 {
				t.Errorf("%q", got)
			}
		})
	})
}

// TestH2load: every request of a short burst is answered with 200.
func TestH2load(t *testing.T) {
	h2load := tool(t, "h2load", nghttp2)
	onDrivers(t, func(t *testing.T, s *server) {
		onPorts(t, s, func(t *testing.T, url string, secure bool) {
			for _, m := range []string{"1", "32"} {
				got := output(t, h2load, "-n", "5000", "-c", "16", "-m", m, url+"/plaintext")
				if !strings.Contains(got, "5000 succeeded, 0 failed, 0 errored, 0 timeout") {
					t.Error(got)
				}
			}
		})
	})
}

var allPassed = regexp.MustCompile(`(\d+) tests, (\d+) passed, 0 skipped, 0 failed`)

// TestH2spec is the conformance suite in strict mode: every case, both ports, both drivers, each in under 10 s.
func TestH2spec(t *testing.T) {
	h2spec := tool(t, "h2spec", "go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible")
	onDrivers(t, func(t *testing.T, s *server) {
		onPorts(t, s, func(t *testing.T, url string, secure bool) {
			addr, args := s.addr, []string{"-S", "-P", "/"}
			if secure {
				addr, args = s.tls, append(args, "-t", "-k")
			}
			host, port, _ := net.SplitHostPort(addr.String())
			begin := time.Now()
			got := output(t, h2spec, append(args, "-h", host, "-p", port)...)
			took := time.Since(begin)
			if m := allPassed.FindStringSubmatch(got); m == nil || m[1] != m[2] || took > 10*time.Second {
				t.Errorf("in %v\n%s", took, got)
			} else {
				t.Logf("%s in %v", m[0], took.Round(time.Millisecond))
			}
		})
	})
}
