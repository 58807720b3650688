package uring

import (
	"errors"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/socket"
)

func socketPair(t *testing.T) (a, b int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p[0], p[1]
}

func TestWaitSleepsOnlyWhenAsked(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		out := make([]driver.Completion, 8)
		for _, tc := range []struct {
			min     int
			timeout time.Duration
			sleeps  bool
		}{{0, -1, false}, {0, time.Hour, false}, {1, 0, false}, {1, 20 * time.Millisecond, true}} {
			start := time.Now()
			n, err := d.Wait(out, tc.min, tc.timeout)
			took := time.Since(start)
			if n != 0 || err != nil || tc.sleeps != (took >= 20*time.Millisecond) {
				t.Errorf("Wait(%d, %v): %d, %v after %v", tc.min, tc.timeout, n, err, took)
			}
		}
		enters := d.Counters().Enters
		for range 100 {
			d.Wait(out, 0, 0)
		}
		if got := d.Counters().Enters - enters; got != 0 {
			t.Errorf("100 idle turns entered the kernel %d times", got)
		}
	})
}

func TestFullQueueAndOverflowLoseNothing(t *testing.T) {
	onThread(t, Config{Entries: 4, CQEntries: 4, Buffers: 4, BuffersMax: 4}, func(d *Driver) {
		const ops = 100
		for i := range uint32(ops) {
			d.Submit(driver.Op{Code: driver.Cancel, Token: token(kindCancel, i), Target: token(kindRecv, i)})
		}
		seen := map[driver.Token]int{}
		out := make([]driver.Completion, 3)
		for deadline := time.Now().Add(10 * time.Second); len(seen) < ops && time.Now().Before(deadline); {
			n, err := d.Wait(out, 1, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range out[:n] {
				seen[c.Token]++
				if c.Errno() != unix.ENOENT || c.More || c.Bid != driver.NoBuffer {
					t.Errorf("%+v", c)
				}
			}
		}
		for i := range uint32(ops) {
			if seen[token(kindCancel, i)] != 1 {
				t.Errorf("op %d completed %d times", i, seen[token(kindCancel, i)])
			}
		}
		c := d.Counters()
		if c.QueueFull == 0 || c.Overflows == 0 || c.Submitted != ops || c.Completed != ops {
			t.Errorf("counters %+v", c)
		}
	})
}

// poor is a kernel without memory while errno is set.
type poor struct {
	kernel
	errno unix.Errno
	calls int
}

func (p *poor) Submit() unix.Errno { return p.or(p.kernel.Submit) }
func (p *poor) Poll() unix.Errno   { return p.or(p.kernel.Poll) }
func (p *poor) Wait(timeout time.Duration) unix.Errno {
	return p.or(func() unix.Errno { return p.kernel.Wait(timeout) })
}

func (p *poor) or(call func() unix.Errno) unix.Errno {
	p.calls++
	if p.errno != 0 {
		return p.errno
	}
	return call()
}

// A kernel without memory is asked again now and then, not as fast as the core can, and everything that
// was submitted meanwhile is done afterwards, once and in order.
func TestKernelWithoutMemory(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.ENOMEM} {
		onThread(t, Config{Entries: 4, CQEntries: 64, Buffers: 4, BuffersMax: 4}, func(d *Driver) {
			k := &poor{kernel: d.kernel, errno: errno}
			d.kernel = k
			out := make([]driver.Completion, 64)
			const ops, waits = 20, 12
			var took time.Duration
			for i := range uint32(waits) {
				if i < ops/2 {
					d.Submit(driver.Op{Code: driver.Cancel, Token: token(kindCancel, 2*i), Target: token(kindRecv, i)})
					d.Submit(driver.Op{Code: driver.Cancel, Token: token(kindCancel, 2*i+1), Target: token(kindRecv, i)})
				}
				begin := time.Now()
				if n, err := d.Wait(out, 1, -1); n != 0 || err != nil {
					t.Fatal(n, err)
				}
				took += time.Since(begin)
			}
			// 1 + 2 + 4 + 8 + 16 + 32 ms, and 50 ms for each further one, less what signals cut off
			if took < 100*time.Millisecond || d.Counters().NoMemory < waits {
				t.Errorf("%v: %d waits took %v; %d refusals counted", errno, waits, took, d.Counters().NoMemory)
			}
			if k.calls > 5*waits {
				t.Errorf("%v: the kernel was asked %d times by %d waits", errno, k.calls, waits)
			}
			k.errno = 0
			next := uint32(0)
			await(t, d, "the ops", func(c driver.Completion) bool {
				if c.Token != token(kindCancel, next) || c.Errno() != unix.ENOENT {
					t.Errorf("%v: completion %d is %+v", errno, next, c)
				}
				next++
				return next == ops
			})
			if c := d.Counters(); c.Submitted != ops || c.Completed != ops || len(d.held) != 0 || d.backOff != 0 {
				t.Errorf("%v: counters %+v, %d held, back-off %v", errno, c, len(d.held), d.backOff)
			}
		})
	}
}

// A kernel that has no memory for an op stops before the work it has deferred. What has ended comes nevertheless:
// without it nothing would give memory back.
func TestCompletionsComeWithoutMemory(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		a, peer := socketPair(t)
		defer unix.Close(a)
		defer unix.Close(peer)
		d.Submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(a), Token: token(kindRecv, 1)})
		out := make([]driver.Completion, 8)
		if n, err := d.Wait(out, 0, 0); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		d.kernel = &poor{kernel: d.kernel, errno: unix.EAGAIN}
		defer func() { d.kernel = d.ring }()
		for range 3 {
			unix.Write(peer, []byte("x"))
			d.Submit(driver.Op{Code: driver.Cancel, Token: token(kindCancel, 1), Target: token(kindRecv, 2)})
			n, err := d.Wait(out, 1, -1)
			if n != 1 || err != nil || out[0].Token != token(kindRecv, 1) || out[0].Res != 1 {
				t.Fatalf("%d completions, %v, the first %+v; want the received byte", n, err, out[0])
			}
			d.Recycle(out[0].Bid)
		}
	})
}

// The pause must not hold up mail, whether it comes before or during it.
func TestWakeEndsThePause(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		d.kernel = &poor{kernel: d.kernel, errno: unix.ENOMEM}
		defer func() { d.kernel = d.ring }()
		out := make([]driver.Completion, 8)
		const rounds = 40
		var took time.Duration
		for i := range rounds {
			d.backOff = backOffMax
			if i%2 == 0 {
				d.Wake()
			} else {
				go func() {
					for d.wake.state.Load() != asleep {
						runtime.Gosched()
					}
					d.Wake()
				}()
			}
			begin := time.Now()
			if _, err := d.Wait(out, 1, -1); err != nil {
				t.Fatal(err)
			}
			took += time.Since(begin)
		}
		if took > rounds*backOffMax/2 {
			t.Errorf("%d woken pauses took %v", rounds, took)
		}
		begin := time.Now()
		d.Wait(out, 1, 3*time.Millisecond)
		if got := time.Since(begin); got < 2*time.Millisecond {
			t.Errorf("after wake-ups the pause lasts %v", got)
		}
	})
}

func TestEmptyGroupAndGrow(t *testing.T) {
	onThread(t, Config{BufferSize: 16, Buffers: 2, BuffersMax: 7}, func(d *Driver) {
		a, peer := socketPair(t)
		defer unix.Close(a)
		defer unix.Close(peer)
		unix.Write(peer, make([]byte, 16*3))
		d.Submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(a), Token: token(kindRecv, 1)})
		got := 0
		await(t, d, "an empty group", func(c driver.Completion) bool {
			if c.Res > 0 {
				got++
				return false
			}
			return c.Errno() == unix.ENOBUFS && c.Bid == driver.NoBuffer && !c.More
		})
		if c := d.Counters(); got != 2 || c.NoBuffers != 1 {
			t.Errorf("%d buffers, counters %+v", got, c)
		}
		mapped := d.Counters().MappedBytes
		for _, want := range []int{4, 7, 7} {
			if n := d.Grow(); n != want || d.Buffers() != want {
				t.Errorf("Grow: %d, want %d", n, want)
			}
		}
		if grown := d.Counters().MappedBytes - mapped; grown != 5*16 {
			t.Errorf("5 buffers more, %d bytes more", grown)
		}
		d.Submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(a), Token: token(kindRecv, 2)})
		await(t, d, "recv after Grow", func(c driver.Completion) bool { return c.Res == 16 && c.Bid >= 2 && len(d.Buffer(c.Bid)) == 16 })
	})
}

func TestConnectAndCancel(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		ln, addr := listen(t)
		defer unix.Close(ln)
		fd, err := d.Socket("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer d.CloseFD(fd)
		d.Submit(driver.Op{Code: driver.Connect, FD: int32(fd), Token: token(kindConnect, 1), Buf: socket.AppendSockaddr(nil, addr)})
		await(t, d, "connect", func(c driver.Completion) bool { return c.Token == token(kindConnect, 1) && c.Res == 0 })
		if peer, err := d.Peername(fd); err != nil || peer != addr {
			t.Errorf("connected to %v, %v", peer, err)
		}
		d.Submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(fd), Token: token(kindRecv, 1)})
		d.Submit(driver.Op{Code: driver.Cancel, Token: token(kindCancel, 1), Target: token(kindRecv, 1)})
		want := map[driver.Token]int32{token(kindCancel, 1): 0, token(kindRecv, 1): -int32(unix.ECANCELED)}
		await(t, d, "both completions", func(c driver.Completion) bool {
			if res, ok := want[c.Token]; !ok || res != c.Res || c.More {
				t.Errorf("%+v", c)
			}
			delete(want, c.Token)
			return len(want) == 0
		})
	})
}

func TestTrySend(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		a, peer := socketPair(t)
		defer unix.Close(a)
		for _, size := range []int{0, 1, rawSendMax, rawSendMax + 1} {
			if n, errno := d.TrySend(a, make([]byte, size)); n != size || errno != 0 {
				t.Errorf("%d bytes: %d, %v", size, n, errno)
			}
			unix.Read(peer, make([]byte, 2*rawSendMax))
		}
		big := make([]byte, 16<<20)
		if n, errno := d.TrySend(a, big); errno != 0 || n == 0 || n == len(big) {
			t.Errorf("16 MiB: %d, %v, want a short result", n, errno)
		}
		if n, errno := d.TrySend(a, big[:1<<20]); n != 0 || errno != unix.EAGAIN {
			t.Errorf("full socket: %d, %v", n, errno)
		}
		unix.Close(peer)
		if n, errno := d.TrySend(a, []byte("x")); n != 0 || errno != unix.EPIPE {
			t.Errorf("vanished peer: %d, %v", n, errno)
		}
	})
}

func TestTurnDoesNotAllocate(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		a, peer := socketPair(t)
		defer unix.Close(a)
		defer unix.Close(peer)
		msg, out := []byte("0123456789"), make([]driver.Completion, 32)
		sent := make([]byte, 1<<17)
		d.Submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(a), Token: token(kindRecv, 1)})
		turn := func() {
			if n, errno := d.TrySend(peer, msg); n != len(msg) || errno != 0 {
				t.Fatal(n, errno)
			}
			d.Submit(driver.Op{Code: driver.Send, FD: int32(peer), Token: token(kindSend, 1), Buf: sent[:100]})
			d.Submit(driver.Op{Code: driver.Cancel, Token: token(kindCancel, 1), Target: token(kindRecv, 2)})
			for left := 110; left > 0; {
				n, err := d.Wait(out, 1, time.Second)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range out[:n] {
					if c.Bid != driver.NoBuffer {
						left -= int(c.Res)
						d.Recycle(c.Bid)
					}
				}
			}
			d.Wake()
			d.Wait(out, 1, 0)
			_ = d.Counters()
		}
		if n := testing.AllocsPerRun(200, turn); n != 0 {
			t.Errorf("a turn allocates %v times", n)
		}
	})
}

// Connections that the kernel has accepted but the core never saw are closed with the driver.
func TestCloseClosesWhatTheKernelDelivers(t *testing.T) {
	var clients []net.Conn
	onThread(t, Config{}, func(d *Driver) {
		ln, addr := listen(t)
		defer unix.Close(ln)
		d.Submit(driver.Op{Code: driver.Accept, Multi: true, FD: int32(ln), Token: token(kindAccept, 1)})
		d.Wait(make([]driver.Completion, 1), 0, 0)
		for range 20 {
			c, err := net.Dial("tcp", addr.String())
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
		}
		d.ring.Poll()
		if d.ring.Ready() == 0 {
			t.Fatal("nothing was accepted: the test does not test anything")
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		for _, c := range clients {
			c.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
				t.Errorf("the client's connection is still open: %v", err)
			}
			c.Close()
		}
	})
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func TestUnknownCodeIsOurBug(t *testing.T) {
	onThread(t, Config{}, func(d *Driver) {
		defer func() {
			if recover() == nil || d.ring.Pending() != 0 {
				t.Errorf("no panic, or %d entries taken", d.ring.Pending())
			}
		}()
		d.Submit(driver.Op{Code: 99, Token: token(kindRecv, 1)})
	})
}

func TestConfigIsRefused(t *testing.T) {
	runtime.LockOSThread() // some are refused after the ring is made, which is its thread's alone
	defer runtime.UnlockOSThread()
	for _, cfg := range []Config{{Entries: -1}, {Buffers: -1}, {BufferSize: -1}, {BuffersMax: 1 << 16}, {Buffers: 8, BuffersMax: 4}} {
		if d, err := Open(cfg); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%+v: %v, want EINVAL", cfg, err)
			if err == nil {
				d.Close()
			}
		}
	}
}
