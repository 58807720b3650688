package coreruntime

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Ten million posts from goroutines, each of which must run: a lost wake-up would leave the core asleep
// with letters in its box.
func TestTenMillionPostsLoseNoWakeUp(t *testing.T) {
	posts := 10_000_000
	if testing.Short() || raceEnabled {
		posts = 500_000
	}
	onRealDrivers(t, Config{Cores: 1}, func(t *testing.T, rt *Runtime) {
		const goroutines = 8
		var ran, order atomic.Int64
		var wg sync.WaitGroup
		c := rt.Core(0)
		for range goroutines {
			wg.Add(1)
			go func() {
				defer wg.Done()
				last := -1
				for i := range posts / goroutines {
					if err := c.Post(func() {
						if i != last+1 {
							order.Add(1)
						}
						last = i
						ran.Add(1)
					}); err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		wg.Wait()
		deadline := time.Now().Add(20 * time.Second)
		for want := int64(posts / goroutines * goroutines); ran.Load() != want; {
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d posts ran", ran.Load(), want)
			}
			time.Sleep(100 * time.Microsecond) // let the core fall asleep between looks
		}
		if order.Load() != 0 {
			t.Fatalf("%d posts ran out of order", order.Load())
		}
	})
}

// One post at a time, each to a core that is about to sleep or asleep: the tightest race.
func TestPostsToASleepingCore(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1}, func(t *testing.T, rt *Runtime) {
		ran := make(chan struct{})
		for i := range 20_000 {
			if err := rt.Core(0).Post(func() { ran <- struct{}{} }); err != nil {
				t.Fatal(err)
			}
			select {
			case <-ran:
			case <-time.After(10 * time.Second):
				t.Fatalf("post %d was lost", i)
			}
		}
	})
}

func TestAFullMailboxMakesGoroutinesWaitAndCoresNot(t *testing.T) {
	onRealDrivers(t, Config{Cores: 2, MailboxMax: 4}, func(t *testing.T, rt *Runtime) {
		hold, release := make(chan struct{}), make(chan struct{})
		target := rt.Core(1)
		if err := target.Post(func() { close(hold); <-release }); err != nil {
			t.Fatal(err)
		}
		<-hold // the core stands still: nothing is taken from its mailbox
		var ran atomic.Int64
		const posts = 100
		on(t, rt, 0, func(*Core) error {
			for range posts {
				if err := target.Post(func() { ran.Add(1) }); err != nil {
					return err
				}
			}
			return nil
		})
		waiting := make(chan error, 1)
		go func() { waiting <- target.Post(func() { ran.Add(1) }) }()
		select {
		case err := <-waiting:
			t.Errorf("a goroutine posted to a full mailbox without waiting: %v", err)
		case <-time.After(20 * time.Millisecond): // it must still wait after this
		}
		close(release)
		if err := <-waiting; err != nil {
			t.Fatal(err)
		}
		on(t, rt, 1, func(*Core) error { return nil })
		if n := ran.Load(); n != posts+1 {
			t.Fatalf("%d of %d posts ran", n, posts+1)
		}
		if target.overflows.Load() == 0 {
			t.Error("no overflow was counted")
		}
	})
}

func TestPostAfterStop(t *testing.T) {
	var c *Core
	onRealDrivers(t, Config{Cores: 1}, func(_ *testing.T, rt *Runtime) { c = rt.Core(0) })
	if err := c.Post(func() { t.Error("ran") }); !errors.Is(err, ErrStopped) {
		t.Fatalf("Post = %v", err)
	}
}

// A posted function is the user's: neither its panic nor its Goexit may take the core down, or letters with it.
func TestPostedFunctionsFailAlone(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1}, func(t *testing.T, rt *Runtime) {
		c := rt.Core(0)
		ran := make(chan int, 300)
		hold, release := make(chan struct{}), make(chan struct{})
		if err := c.Post(func() { close(hold); <-release }); err != nil {
			t.Fatal(err)
		}
		<-hold // so that the letters are taken together
		for i := range 300 {
			if err := c.Post(func() {
				switch ran <- i; i % 3 {
				case 1:
					panic("the user's")
				case 2:
					runtime.Goexit()
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		close(release)
		for want := range 300 {
			if got := <-ran; got != want {
				t.Fatalf("letter %d ran in the place of %d", got, want)
			}
		}
		on(t, rt, 0, func(*Core) error { return nil })
		if n := c.mail.count.Load(); n != 0 {
			t.Errorf("%d letters count as waiting", n)
		}
	})
}

// TryPost neither waits nor goes over the limit, on a core and off it, and nothing it refused runs.
func TestTryPostStaysWithinTheMailbox(t *testing.T) {
	onRealDrivers(t, Config{Cores: 2, MailboxMax: 4}, func(t *testing.T, rt *Runtime) {
		target := rt.Core(1)
		hold, release := make(chan struct{}), make(chan struct{})
		if err := target.Post(func() { close(hold); <-release }); err != nil {
			t.Fatal(err)
		}
		<-hold // still counted
		var ran atomic.Int64
		try := func() (posted int) {
			for range 10 {
				if target.TryPost(func() { ran.Add(1) }) {
					posted++
				}
			}
			return posted
		}
		if n := try(); n != 3 {
			t.Errorf("%d posts were taken, there was room for 3", n)
		}
		onCore := make(chan int)
		if err := rt.Core(0).Post(func() { onCore <- try() }); err != nil {
			t.Fatal(err)
		}
		if n := <-onCore; n != 0 {
			t.Errorf("%d posts of a core were taken by a full mailbox", n)
		}
		close(release)
		done := make(chan struct{})
		if err := target.Post(func() { close(done) }); err != nil {
			t.Fatal(err)
		}
		<-done
		if n := ran.Load(); n != 3 {
			t.Errorf("%d posts ran, 3 were taken", n)
		}
	})
}
