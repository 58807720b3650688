package ring

import (
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// onThread opens a ring on a locked thread, runs body, closes the ring, and proves that nothing is left.
func onThread(t *testing.T, cfg Config, body func(r *Ring)) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fds, maps := countFDs(t), countMaps(t)
	r, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body(r)
	if err := r.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if got := countFDs(t); got != fds {
		t.Errorf("%d descriptors before, %d after", fds, got)
	}
	if got := countMaps(t); got != maps {
		t.Errorf("%d io_uring mappings before, %d after", maps, got)
	}
}

func countFDs(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if strings.HasPrefix(to, "anon_inode:[io_uring]") || strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

func countMaps(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), "io_uring")
}

// collect waits until n completions have come and returns them.
func collect(t *testing.T, r *Ring, n int) []CQE {
	t.Helper()
	var got []CQE
	batch := make([]CQE, 32)
	for deadline := time.Now().Add(10 * time.Second); len(got) < n; {
		if k := r.Copy(batch[:min(len(batch), n-len(got))]); k > 0 {
			got = append(got, batch[:k]...)
			continue
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d completions", len(got), n)
		}
		if errno := r.Wait(time.Second); errno != 0 {
			t.Fatal(ExplainEnter(errno))
		}
	}
	return got
}

func TestNopBatches(t *testing.T) {
	for _, cfg := range []Config{{}, {Entries: 1, CQEntries: 1}, {NoSQArray: Off}, {RegisterFD: Off}, {NoIOWait: Off}, {Entries: 300}} {
		onThread(t, cfg, func(r *Ring) {
			next := uint64(0)
			for round := range 50 { // passes the end of both queues
				n := min(1+round*7%r.SQEntries(), r.SQEntries())
				for range n {
					r.NextSQE().PrepNop(next)
					next++
				}
				for i, c := range collect(t, r, n) {
					if want := next - uint64(n) + uint64(i); c.UserData != want || c.Res != 0 || c.More() {
						t.Fatalf("%+v: got %+v, want token %d", cfg, c, want)
					}
				}
				if r.Inflight() != 0 || r.Pending() != 0 {
					t.Fatalf("inflight %d, pending %d", r.Inflight(), r.Pending())
				}
			}
		})
	}
}

func TestFullQueueTakesNoMoreUntilSubmit(t *testing.T) {
	onThread(t, Config{Entries: 128}, func(r *Ring) { // above rawSQEsMax: the long form of enter
		for i := range r.SQEntries() {
			r.NextSQE().PrepNop(uint64(i))
		}
		if r.NextSQE() != nil {
			t.Fatal("an entry beyond the end")
		}
		if errno := r.Submit(); errno != 0 {
			t.Fatal(errno)
		}
		s := r.NextSQE()
		if s == nil {
			t.Fatal("still full after Submit")
		}
		s.PrepNop(1000)
		collect(t, r, r.SQEntries()+1)
	})
}

func TestOverflowOfTheCompletionQueueLosesNothing(t *testing.T) {
	onThread(t, Config{Entries: 8, CQEntries: 8}, func(r *Ring) {
		const rounds = 8
		for i := range uint64(8 * rounds) {
			s := r.NextSQE()
			if s == nil {
				if errno := r.Submit(); errno != 0 {
					t.Fatal(ExplainEnter(errno))
				}
				s = r.NextSQE()
			}
			s.PrepNop(i)
		}
		if !r.Overflowed() || !r.NeedsEnter() {
			t.Fatal("no overflow: the test does not test anything")
		}
		seen := map[uint64]int{}
		for _, c := range collect(t, r, 8*rounds) {
			seen[c.UserData]++
		}
		for i := range uint64(8 * rounds) {
			if seen[i] != 1 {
				t.Errorf("token %d came %d times", i, seen[i])
			}
		}
		if r.Dropped() != 0 || r.Inflight() != 0 {
			t.Errorf("dropped %d, inflight %d", r.Dropped(), r.Inflight())
		}
	})
}

func TestWaitEndsAtItsTimeout(t *testing.T) {
	onThread(t, Config{}, func(r *Ring) {
		for _, d := range []time.Duration{0, time.Microsecond, 20 * time.Millisecond} {
			start := time.Now()
			if errno := r.Wait(d); errno != 0 {
				t.Fatal(errno)
			}
			if took := time.Since(start); took < d || took > d+5*time.Second {
				t.Errorf("Wait(%v) took %v", d, took)
			}
		}
		r.NextSQE().PrepNop(1)
		if errno := r.Wait(-1); errno != 0 || r.Ready() != 1 {
			t.Errorf("Wait(-1) with a completion: %v, %d ready", errno, r.Ready())
		}
		collect(t, r, 1)
	})
}

// A signal ends Wait early, without an error and without a completion.
func TestSignalEndsWait(t *testing.T) {
	onThread(t, Config{}, func(r *Ring) {
		tid := unix.Gettid()
		var done atomic.Bool
		stopped := make(chan struct{})
		go func() { // until it is heard: the first may come before the sleep
			defer close(stopped)
			for !done.Load() {
				unix.Tgkill(os.Getpid(), tid, unix.SIGURG)
				time.Sleep(time.Millisecond)
			}
		}()
		start := time.Now()
		errno := r.Wait(20 * time.Second)
		done.Store(true)
		<-stopped
		if errno != 0 || r.Ready() != 0 || time.Since(start) > 10*time.Second {
			t.Errorf("%v, %d ready, after %v", errno, r.Ready(), time.Since(start))
		}
	})
}

func TestAnotherThreadIsRefused(t *testing.T) {
	onThread(t, Config{RegisterFD: Off}, func(r *Ring) {
		errs := make(chan unix.Errno)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			errs <- r.Poll()
		}()
		if errno := <-errs; errno != unix.EEXIST {
			t.Errorf("another thread: %v, want EEXIST", errno)
		}
	})
}

// A thread has 16 places for registered rings; a place that is not given back is missed by the 17th.
func TestRegisteredRingIsGivenBack(t *testing.T) {
	for range 40 {
		onThread(t, Config{Entries: 1}, func(r *Ring) {
			if !r.registered {
				t.Fatal("the ring's descriptor was not registered")
			}
		})
	}
}

func TestSubmitAndWaitDoNotAllocate(t *testing.T) {
	onThread(t, Config{}, func(r *Ring) {
		batch := make([]CQE, 16)
		turn := func() {
			for i := range batch {
				r.NextSQE().PrepNop(uint64(i))
			}
			if errno := r.Wait(time.Second); errno != 0 {
				t.Fatal(errno)
			}
			if r.Copy(batch) != len(batch) {
				t.Fatal("completions are missing")
			}
			r.Poll()
		}
		if n := testing.AllocsPerRun(100, turn); n != 0 {
			t.Errorf("a turn allocates %v times", n)
		}
	})
}

func socketPair(t *testing.T) (a, b int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p[0], p[1]
}

// submit empties a queue that may be full.
func submit(t *testing.T, r *Ring) *SQE {
	t.Helper()
	if s := r.NextSQE(); s != nil {
		return s
	}
	if errno := r.Submit(); errno != 0 {
		t.Fatal(ExplainEnter(errno))
	}
	return r.NextSQE()
}

func TestCloseWithThousandsInFlight(t *testing.T) {
	onThread(t, Config{Entries: 256, CQEntries: 512}, func(r *Ring) {
		b, err := r.OpenBufRing(BufRingConfig{Group: 1, Size: 4096, Count: 16, Max: 16})
		if err != nil {
			t.Fatal(err)
		}
		memory, table := b.memory, b.table
		a, peer := socketPair(t)
		defer unix.Close(a)
		defer unix.Close(peer)
		for i := range uint64(5000) {
			if i%2 == 0 {
				submit(t, r).PrepRecv(int32(a), 1, i)
			} else {
				submit(t, r).PrepRecvMulti(int32(a), 1, i)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if r.Inflight() != 0 {
			t.Errorf("%d ops outlived Close", r.Inflight())
		}
		for what, m := range map[string]mapping{"buffers": memory, "buffer ring": table} {
			if errno := mincore(m); errno != unix.ENOMEM {
				t.Errorf("%s: still mapped (%v)", what, errno)
			}
		}
		// Neither the ring nor the socket is held by the kernel: the peer sees the end.
		unix.Shutdown(a, unix.SHUT_RDWR)
		if n, err := unix.Read(peer, make([]byte, 1)); n != 0 || err != nil {
			t.Errorf("peer reads %d, %v", n, err)
		}
	})
}

func mincore(m mapping) unix.Errno {
	var pages [1]byte
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(m.base), uintptr(os.Getpagesize()), addrBytes(pages[:]))
	return errno
}
