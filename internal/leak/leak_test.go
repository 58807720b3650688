package leak

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestCompareSeesADescriptorAndAGoroutine(t *testing.T) {
	fds, goroutines := openFDs(), runtime.NumGoroutine()
	if report := compare(fds, goroutines); report != "" {
		t.Fatalf("nothing has leaked, but: %s", report)
	}
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	go func() { <-stop }()
	report := compare(fds, goroutines)
	if !strings.Contains(report, "/dev/null") || !strings.Contains(report, "goroutines") {
		t.Errorf("report misses the leak: %q", report)
	}
	f.Close()
	close(stop)
	Check(t)
}
