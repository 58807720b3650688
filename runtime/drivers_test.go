package coreruntime

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/deny"
	"github.com/percore/percore/ring"
)

// deniedEnv tells a child process of this test which errno its seccomp filter answers io_uring_setup with.
const deniedEnv = "PERCORE_TEST_DENIED"

// Where io_uring is refused, auto takes epoll and says why once at WARN; uring on request fails and never falls
// back. A seccomp filter cannot be taken off again, so a child process puts it on.
func TestRefusedUring(t *testing.T) {
	errnos := map[string]unix.Errno{"EPERM": unix.EPERM, "ENOSYS": unix.ENOSYS}
	if name := os.Getenv(deniedEnv); name != "" {
		startDenied(t, errnos[name])
		return
	}
	for name := range errnos {
		cmd := exec.Command(os.Args[0], "-test.run=^TestRefusedUring$", "-test.v")
		cmd.Env = append(os.Environ(), deniedEnv+"="+name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func startDenied(t *testing.T, errno unix.Errno) {
	if err := deny.Process(errno); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cfg := Config{Cores: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	rt, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	info := rt.Info()
	if info.Driver != "epoll" || !errors.Is(info.DriverReason, errno) {
		t.Errorf("auto took %s because of %v", info.Driver, info.DriverReason)
	}
	if err := rt.Run(func(c *Core) error { return c.Yield() }); err != nil {
		t.Error(err)
	}
	if err := rt.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "seccomp") {
		t.Errorf("the log says: %s", text)
	}
	cfg.Driver = DriverUring
	_, err = Start(context.Background(), cfg)
	if !errors.Is(err, errno) {
		t.Errorf("uring on request: %v", err)
	}
	for _, err := range []error{err, info.DriverReason, Diagnose().Reason} {
		if e := (*ring.Error)(nil); !errors.As(err, &e) || e.Facts == nil || e.Facts.Seccomp != 2 || e.Facts.Trials[1].Errno != errno {
			t.Errorf("%v does not carry the facts", err)
		}
	}
}
