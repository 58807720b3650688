package ring

import (
	"bytes"
	"net"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func addrBytes(p []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p))) }

// listenTCP returns a listening socket and its address.
func listenTCP(t *testing.T) (int, string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 64); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*unix.SockaddrInet4).Port}).String()
}

func TestMultishotAccept(t *testing.T) {
	onThread(t, Config{}, func(r *Ring) {
		ln, addr := listenTCP(t)
		defer unix.Close(ln)
		r.NextSQE().PrepAccept(int32(ln), 1)
		for range 5 {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		for _, c := range collect(t, r, 5) {
			if c.Res < 0 || !c.More() {
				t.Fatalf("accept: %+v", c)
			}
			flags, _ := unix.FcntlInt(uintptr(c.Res), unix.F_GETFL, 0)
			fdFlags, _ := unix.FcntlInt(uintptr(c.Res), unix.F_GETFD, 0)
			if flags&unix.O_NONBLOCK == 0 || fdFlags&unix.FD_CLOEXEC == 0 {
				t.Errorf("flags %#x, descriptor flags %#x", flags, fdFlags)
			}
			unix.Close(int(c.Res))
		}
		if r.Inflight() != 1 {
			t.Errorf("inflight %d, the accept is still armed", r.Inflight())
		}
		// A cancel has two completions: its own and the target's last.
		r.NextSQE().PrepCancel(1, 2)
		var own, target int32 = -1, 0
		for _, c := range collect(t, r, 2) {
			if c.UserData == 2 {
				own = c.Res
			} else {
				target = c.Res
			}
			if c.More() {
				t.Errorf("%+v has More", c)
			}
		}
		if own != 0 || target != -int32(unix.ECANCELED) {
			t.Errorf("cancel %d, target %d", own, target)
		}
		r.NextSQE().PrepCancel(1, 3)
		if c := collect(t, r, 1)[0]; c.Res != -int32(unix.ENOENT) {
			t.Errorf("cancel of what has ended: %d", c.Res)
		}
	})
}

// The last completion of a multishot accept may carry a descriptor: here the completion queue overflows.
func TestOverflowEndsAcceptWithALiveDescriptor(t *testing.T) {
	onThread(t, Config{Entries: 4, CQEntries: 4}, func(r *Ring) {
		ln, addr := listenTCP(t)
		defer unix.Close(ln)
		const conns = 12
		for range conns {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		accepted, ends := 0, 0
		r.NextSQE().PrepAccept(int32(ln), 1)
		for accepted < conns {
			c := collect(t, r, 1)[0]
			if c.Res < 0 {
				t.Fatalf("%+v", c)
			}
			unix.Close(int(c.Res))
			accepted++
			if !c.More() {
				ends++
				r.NextSQE().PrepAccept(int32(ln), 1)
			}
		}
		t.Logf("the accept ended %d times", ends)
	})
}

func TestBufferRing(t *testing.T) {
	onThread(t, Config{}, func(r *Ring) {
		b, err := r.OpenBufRing(BufRingConfig{Group: 7, Size: 64, Count: 4, Max: 10})
		if err != nil {
			t.Fatal(err)
		}
		a, peer := socketPair(t)
		defer unix.Close(a)
		defer unix.Close(peer)
		lent := map[uint16]bool{}
		recv := func(c CQE) uint16 {
			t.Helper()
			bid, ok := c.Buffer()
			if !ok || c.Res <= 0 || lent[bid] {
				t.Fatalf("%+v, lent %v", c, lent)
			}
			lent[bid] = true
			return bid
		}
		r.NextSQE().PrepRecvMulti(int32(a), 7, 1)
		r.Poll()
		sent := bytes.Repeat([]byte("0123456789abcdef"), 20) // 320 bytes, 5 buffers of 64: one too many
		unix.Write(peer, sent)
		var got []byte
		for i, c := range collect(t, r, 5) {
			if i == 4 {
				if _, ok := c.Buffer(); ok || c.Res != -int32(unix.ENOBUFS) || c.More() {
					t.Fatalf("with an empty group: %+v", c)
				}
				break
			}
			if !c.More() {
				t.Fatalf("%d: %+v", i, c)
			}
			got = append(got, b.Buffer(recv(c))[:c.Res]...)
		}
		// Re-arm after recycling: the rest arrives.
		for bid := range lent {
			b.Recycle(bid)
			delete(lent, bid)
		}
		b.Publish()
		r.NextSQE().PrepRecvMulti(int32(a), 7, 2)
		c := collect(t, r, 1)[0]
		got = append(got, b.Buffer(recv(c))[:c.Res]...)
		if !bytes.Equal(got, sent) {
			t.Errorf("received %q", got)
		}
		unix.Shutdown(peer, unix.SHUT_WR)
		c = collect(t, r, 1)[0]
		if _, ok := c.Buffer(); ok || c.Res != 0 || c.More() {
			t.Errorf("end of file: %+v", c)
		}
	})
}

// The ring of buffers turns over many times, also where its 16-bit tail starts again.
func TestBufferRingTurnsOver(t *testing.T) {
	for _, count := range []int{1, 3, 4096} {
		onThread(t, Config{}, func(r *Ring) {
			b, err := r.OpenBufRing(BufRingConfig{Size: 16, Count: count, Max: count})
			if err != nil {
				t.Fatal(err)
			}
			a, peer := socketPair(t)
			defer unix.Close(a)
			defer unix.Close(peer)
			uses := map[uint16]int{}
			for i := range 70000 {
				msg := [2]byte{byte(i), byte(i >> 8)}
				unix.Write(peer, msg[:])
				r.NextSQE().PrepRecv(int32(a), 0, uint64(i))
				var c [1]CQE
				for r.Copy(c[:]) != 1 {
					if errno := r.Wait(-1); errno != 0 {
						t.Fatal(errno)
					}
				}
				bid, ok := c[0].Buffer()
				if !ok || c[0].Res != 2 || !bytes.Equal(b.Buffer(bid)[:2], msg[:]) || c[0].More() {
					t.Fatalf("message %d: %+v", i, c[0])
				}
				uses[bid]++
				b.Recycle(bid)
				b.Publish()
			}
			if len(uses) != count {
				t.Errorf("%d of %d buffers were used", len(uses), count)
			}
		})
	}
}

func TestBufferRingGrows(t *testing.T) {
	onThread(t, Config{}, func(r *Ring) {
		before := r.MappedBytes()
		b, err := r.OpenBufRing(BufRingConfig{Size: 4096, Count: 3, Max: 10})
		if err != nil {
			t.Fatal(err)
		}
		table := 16 * 16
		if got := r.MappedBytes() - before; got != table+3*4096 {
			t.Errorf("%d bytes mapped for 3 buffers", got)
		}
		for _, want := range []int{6, 10, 10} {
			if got := b.Grow(); got != want || b.Len() != want {
				t.Errorf("Grow: %d, want %d", got, want)
			}
		}
		if got := r.MappedBytes() - before; got != table+10*4096 {
			t.Errorf("%d bytes mapped for 10 buffers", got)
		}
		a, peer := socketPair(t)
		defer unix.Close(a)
		defer unix.Close(peer)
		unix.Write(peer, make([]byte, 10*4096))
		r.NextSQE().PrepRecvMulti(int32(a), 0, 1)
		seen := map[uint16]bool{}
		for _, c := range collect(t, r, 10) {
			bid, _ := c.Buffer()
			if c.Res != 4096 || seen[bid] {
				t.Fatalf("%+v", c)
			}
			seen[bid] = true
		}
	})
}

func TestBufferRingRefuses(t *testing.T) {
	onThread(t, Config{}, func(r *Ring) {
		for _, cfg := range []BufRingConfig{
			{Size: 0, Count: 1, Max: 1}, {Size: 1, Count: 0, Max: 1}, {Size: 1, Count: 2, Max: 1}, {Size: 1, Count: 1, Max: pbufEntriesMax + 1},
		} {
			if _, err := r.OpenBufRing(cfg); err == nil {
				t.Errorf("%+v: no error", cfg)
			}
		}
		b, err := r.OpenBufRing(BufRingConfig{Size: 8, Count: 2, Max: 4})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.OpenBufRing(BufRingConfig{Size: 8, Count: 2, Max: 4}); err == nil {
			t.Error("the same group twice: no error")
		}
		for what, f := range map[string]func(){"Buffer": func() { b.Buffer(2) }, "Recycle": func() { b.Recycle(2) }} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s of a buffer that does not exist: no panic", what)
					}
				}()
				f()
			}()
		}
	})
}

func TestShortSendAndVanishedPeer(t *testing.T) {
	onThread(t, Config{}, func(r *Ring) {
		a, peer := socketPair(t)
		defer unix.Close(a)
		p := make([]byte, 8<<20)
		r.NextSQE().PrepSend(int32(a), p, 1)
		if c := collect(t, r, 1)[0]; c.Res <= 0 || int(c.Res) >= len(p) {
			t.Errorf("send of 8 MiB into a small socket: %d, want a short result", c.Res)
		}
		unix.Close(peer)
		r.NextSQE().PrepSend(int32(a), p[:1], 2)
		if c := collect(t, r, 1)[0]; c.Res != -int32(unix.EPIPE) {
			t.Errorf("send to a vanished peer: %d, want EPIPE (and no signal)", c.Res)
		}
	})
}

func TestConnectReadAndPoll(t *testing.T) {
	onThread(t, Config{}, func(r *Ring) {
		ln, _ := listenTCP(t)
		defer unix.Close(ln)
		sa, _ := unix.Getsockname(ln)
		port := sa.(*unix.SockaddrInet4).Port
		raw := []byte{unix.AF_INET, 0, byte(port >> 8), byte(port), 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
		fd, _ := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		defer unix.Close(fd)
		r.NextSQE().PrepConnect(int32(fd), raw, 1)
		if c := collect(t, r, 1)[0]; c.Res != 0 {
			t.Fatalf("connect: %d", c.Res)
		}
		efd, err := unix.Eventfd(0, unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(efd)
		r.NextSQE().PrepPollMulti(int32(efd), 2)
		r.Poll()
		for range 3 { // never read, and still one completion per write
			unix.Write(efd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
			if c := collect(t, r, 1)[0]; c.UserData != 2 || !c.More() {
				t.Fatalf("poll: %+v", c)
			}
		}
		buf := make([]byte, 8)
		r.NextSQE().PrepRead(int32(efd), buf, 3)
		if c := collect(t, r, 1)[0]; c.Res != 8 || buf[0] != 3 {
			t.Errorf("read: %+v, %v", c, buf)
		}
	})
}
