package corenet_test

import (
	"net"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// A connection that is idle costs its struct and nothing else.
func TestConnIsSmall(t *testing.T) {
	const connMax = 700
	if n := unsafe.Sizeof(corenet.Conn{}); n > connMax {
		t.Errorf("a Conn has %d bytes, at most %d are meant", n, connMax)
	} else {
		t.Logf("a Conn has %d bytes", n)
	}
}

// echoProtocol sends back what it gets and keeps its buffer.
type echoProtocol struct {
	conn *corenet.Conn
	buf  []byte
}

func (e *echoProtocol) Open(c *corenet.Conn) { e.conn = c }

func (e *echoProtocol) Data(_ time.Duration, p []byte) int {
	e.buf = append(e.buf, p...)
	e.conn.Touch()
	return len(p)
}

func (e *echoProtocol) EOF(time.Duration) { _ = e.conn.Close() }

func (e *echoProtocol) Flush(_ time.Duration, dst []byte) []byte {
	dst = append(dst, e.buf...)
	e.buf = e.buf[:0]
	return dst
}

func (e *echoProtocol) Drain(time.Duration) { _ = e.conn.Close() }

func (e *echoProtocol) Closed(time.Duration, error) {}

// faces are the ways to echo; none may allocate for an echo once it is warm.
var faces = map[string]func(c *coreruntime.Core, conn *corenet.Conn){
	"protocol": func(_ *coreruntime.Core, conn *corenet.Conn) { _ = conn.Bind(&echoProtocol{}) },
	"io.Copy":  func(c *coreruntime.Core, conn *corenet.Conn) { c.Go("echo", func() { echo(conn) }) },
	"Read and Write": func(c *coreruntime.Core, conn *corenet.Conn) {
		c.Go("echo", func() {
			defer conn.Close()
			buf := make([]byte, 1024)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				if _, err := conn.Write(buf[:n]); err != nil {
					return
				}
			}
		})
	},
}

func TestEchoAllocatesNothingInTheSim(t *testing.T) {
	for name, face := range faces {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, coreruntime.Config{})
			conn, p := s.conn(corenet.ConnConfig{})
			face(s.Core, conn)
			msg, buf := make([]byte, 64), make([]byte, 64)
			step := func() {
				mustWrite(t, p, msg)
				for got := 0; got < len(msg); {
					s.Turn(s.now)
					n, err := p.Read(buf)
					if err != nil {
						t.Fatal(err)
					}
					got += n
				}
			}
			noAllocs(t, step)
			p.Close()
			s.settle()
		})
	}
}

func TestEchoAllocatesNothingOnDrivers(t *testing.T) {
	for _, kind := range []driver.Kind{driver.Uring, driver.Epoll} {
		for name, face := range faces {
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				leak.Check(t)
				core, conn, fd := manualConn(t, kind)
				face(core, conn)
				msg, buf := make([]byte, 64), make([]byte, 64)
				noAllocs(t, func() {
					if _, err := unix.Write(fd, msg); err != nil {
						t.Fatal(err)
					}
					for got := 0; got < len(msg); {
						core.Turn(core.Now() + time.Millisecond)
						n, err := unix.Read(fd, buf)
						if err == unix.EAGAIN {
							continue
						}
						if err != nil || n == 0 {
							t.Fatalf("read %d: %v", n, err)
						}
						got += n
					}
				})
			})
		}
	}
}

// noAllocs runs step until it is warm, then wants no allocation at all.
func noAllocs(t *testing.T, step func()) {
	t.Helper()
	for range 100 {
		step()
	}
	if raceEnabled {
		return // the detector allocates
	}
	if n := testing.AllocsPerRun(500, step); n != 0 {
		t.Errorf("%v allocations per echo", n)
	}
}

// manualConn accepts a loopback connection on a manual core and returns it with the client's descriptor,
// which is non-blocking.
func manualConn(t *testing.T, kind driver.Kind) (*coreruntime.Core, *corenet.Conn, int) {
	t.Helper()
	runtime.LockOSThread() // a ring belongs to its thread
	cfg := coreruntime.Config{Logger: quietLog}
	d, err := openDriver(kind, cfg)
	if err != nil {
		t.Fatal(err)
	}
	core := coreruntime.NewManual(cfg, d)
	t.Cleanup(func() {
		core.BeginDrain() // cancels the tasks; without it CloseManual would end them, and this goroutine
		for range 100 {
			core.Turn(core.Now())
		}
		if err := core.CloseManual(); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
	ln := listen(t, core.Runtime(), corenet.ListenConfig{})
	var conn *corenet.Conn
	core.Go("accept", func() { conn, _ = ln.On(core).Accept() })
	client := dialStd(t, ln.Addr())
	fd := rawFD(t, client)
	for deadline := time.Now().Add(testMax); conn == nil; {
		core.Turn(core.Now() + time.Millisecond)
		if time.Now().After(deadline) {
			t.Fatal("nothing was accepted")
		}
	}
	return core, conn, fd
}

// rawFD returns c's descriptor for direct system calls.
func rawFD(t *testing.T, c *net.TCPConn) (fd int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(p uintptr) { fd = int(p) }); err != nil {
		t.Fatal(err)
	}
	return fd
}
