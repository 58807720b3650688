package drivertest

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

func wakeTests() []test {
	return []test{
		{name: "WakeBeforeWait", run: wakeBefore, real: true},
		{name: "WakeSleeper", run: wakeSleeper, real: true},
		{name: "WakeBesideTraffic", run: wakeTraffic, real: true},
		{name: "WakeNeverLost", run: wakeNeverLost, real: true},
		{name: "WakePingPong", run: wakePingPong, real: true},
		{name: "WakeWhileClosing", run: wakeClosing, real: true},
	}
}

// asleepMax is a sleep that only a lost wake-up explains.
const asleepMax = 10 * time.Second

// doze waits without end in sight and fails if nothing ended it.
func (r *rig) doze() {
	r.Helper()
	start := time.Now()
	if n := r.wait(1, asleepMax); n == 0 && time.Since(start) >= asleepMax {
		r.Fatal("a wake-up was lost")
	}
}

func wakeBefore(r *rig) {
	for range 100 {
		r.d.Wake()
		r.d.Wake()
		r.doze()
	}
	r.d.Wake() // one Wake ends one Wait; a min = 0 Wait may take it
	_, err := r.d.Wait(r.out, 0, 0)
	r.ok(err)
}

func wakeSleeper(r *rig) {
	var ready, stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			if ready.CompareAndSwap(true, false) {
				time.Sleep(time.Millisecond) // let the core fall asleep; both orders are right
				r.d.Wake()
			}
			runtime.Gosched()
		}
	}()
	for range 20 {
		ready.Store(true)
		for ready.Load() {
			runtime.Gosched()
		}
		n, err := r.d.Wait(r.out, 1, -1)
		r.ok(err)
		r.equal("completions", n, 0)
	}
	stop.Store(true)
	<-done
}

// Wakes and completions do not hide each other.
func wakeTraffic(r *rig) {
	p, fd := r.pair()
	f := r.recv(fd, true)
	for i := range 200 {
		r.write(p, []byte("x"))
		r.d.Wake()
		for len(f.data) < i+1 {
			r.doze()
		}
	}
}

// Four goroutines post and wake as fast as they can. A post that the core has not seen when it sleeps
// for long is a lost wake-up.
func wakeNeverLost(r *rig) {
	each := int64(50_000)
	if raceEnabled {
		each = 10_000
	}
	var posts atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range each {
				posts.Add(1)
				r.d.Wake()
				if i%64 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	for posts.Load() < 4*each {
		r.doze()
	}
	all.Wait()
	if calls := r.d.Counters().WakeCalls; calls > uint64(4*each) {
		r.Errorf("%d wake-ups reached the kernel for %d calls", calls, 4*each)
	}
}

// Every round needs its own wake-up: the core sleeps until the next post, which waits for the answer.
func wakePingPong(r *rig) {
	const rounds = 5000
	var ping, pong atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := int64(1); i <= rounds; i++ {
			ping.Store(i)
			r.d.Wake()
			for pong.Load() != i {
				runtime.Gosched()
			}
		}
	}()
	for seen := int64(0); seen < rounds; {
		r.doze()
		if now := ping.Load(); now != seen {
			seen = now
			pong.Store(seen)
		}
	}
	<-done
}

// Wake is legal while the driver goes away: it writes to no descriptor that is not its own.
func wakeClosing(r *rig) {
	var stop atomic.Bool
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for !stop.Load() {
				r.d.Wake()
				runtime.Gosched()
			}
		})
	}
	for range 20 {
		r.doze()
	}
	r.ok(r.d.Close())
	var others []int // they get the numbers that the driver had
	for range 8 {
		fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK)
		r.ok(err)
		others = append(others, fd)
	}
	for range 1000 {
		runtime.Gosched()
	}
	stop.Store(true)
	all.Wait()
	for _, fd := range others {
		if _, err := unix.Read(fd, make([]byte, 8)); err != unix.EAGAIN {
			r.Errorf("a late wake-up was written to descriptor %d", fd)
		}
		r.ok(unix.Close(fd))
	}
}
