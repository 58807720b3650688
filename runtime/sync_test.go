package coreruntime

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestMutexHandsOverInOrder(t *testing.T) {
	c := manual(t, Config{})
	var m Mutex
	var got []int
	for i := range 4 {
		c.Go("locks", func() {
			if err := m.Lock(c); err != nil {
				t.Error(err)
			}
			got = append(got, i)
			_ = c.Sleep(time.Millisecond)
			m.Unlock()
		})
	}
	for ms := range 10 {
		c.Turn(time.Duration(ms) * time.Millisecond)
	}
	if fmt.Sprint(got) != "[0 1 2 3]" || m.locked {
		t.Fatalf("order %v, locked %v", got, m.locked)
	}
}

func TestMutexSkipsCanceledTasks(t *testing.T) {
	c := manual(t, Config{})
	var m Mutex
	got := ""
	c.Go("holder", func() { _ = m.Lock(c); _ = c.Sleep(time.Second); m.Unlock() })
	victim := c.Go("victim", func() {
		if err := m.Lock(c); err == nil {
			t.Error("canceled, but got the lock")
		}
	})
	c.Go("heir", func() { got = fmt.Sprint(m.Lock(c)); m.Unlock() })
	settle(t, c)
	victim.Cancel(nil)
	settle(t, c)
	c.Turn(2 * time.Second)
	settle(t, c)
	if got != "<nil>" || m.locked {
		t.Fatalf("heir: %s, locked %v", got, m.locked)
	}
}

func TestChanPassesEverythingInOrder(t *testing.T) {
	c := manual(t, Config{})
	ch := NewChan[int](c, 2)
	var got []int
	var end error
	c.Go("receives", func() {
		for {
			v, err := ch.Receive()
			if err != nil {
				end = err
				return
			}
			got = append(got, v)
		}
	})
	c.Go("sends", func() {
		for i := range 100 {
			if err := ch.Send(i); err != nil {
				t.Error(err)
			}
		}
		ch.Close()
		if err := ch.Send(0); !errors.Is(err, ErrClosed) {
			t.Errorf("Send on a closed channel: %v", err)
		}
	})
	settle(t, c)
	for i, v := range got {
		if i != v {
			t.Fatalf("got %v", got)
		}
	}
	if len(got) != 100 || !errors.Is(end, ErrClosed) {
		t.Fatalf("%d values, then %v", len(got), end)
	}
}

func TestOffload(t *testing.T) {
	onRealDrivers(t, Config{Cores: 1, OffloadMax: 2}, func(t *testing.T, rt *Runtime) {
		on(t, rt, 0, func(c *Core) error {
			var joins []*Join[int]
			for i := range 10 {
				joins = append(joins, Spawn(c, "offloads", func() (int, error) {
					return Offload(c, func() (int, error) { return i * i, nil })
				}))
			}
			for i, j := range joins {
				if v, err := j.Wait(); v != i*i || err != nil {
					return fmt.Errorf("call %d: %d, %w", i, v, err)
				}
			}
			_, err := Offload(c, func() (int, error) { panic("off the core") })
			var p *PanicError
			if !errors.As(err, &p) {
				return fmt.Errorf("a panic came back as %w", err)
			}
			if c.offloads != 0 {
				return fmt.Errorf("%d calls under way", c.offloads)
			}
			return nil
		})
	})
}

// Tries with a time limit must not pile up behind a lock that is held for long.
func TestCanceledWaitersLeaveTheirQueue(t *testing.T) {
	c := manual(t, Config{})
	var mu Mutex
	ch := NewChan[int](c, 1)
	var first *Task
	first = c.Go("holder", func() {
		_ = mu.Lock(c)
		_ = c.Sleep(time.Hour)
		mu.Unlock()
	})
	c.Go("tries", func() {
		for range 100 {
			_ = c.WithTimeout(time.Millisecond, func() error { return mu.Lock(c) })
			_ = c.WithTimeout(time.Millisecond, func() error { _, err := ch.Receive(); return err })
			_ = c.WithTimeout(time.Millisecond, func() error { return first.Wait() })
		}
	})
	for range 400 {
		c.Turn(c.now + 2*time.Millisecond)
	}
	for name, l := range map[string]*waitList{"Mutex": &mu.queue, "Chan": &ch.receivers, "Task": &first.joiners} {
		if l.head != nil || l.tail != nil {
			t.Errorf("%s: a canceled task is still in the queue", name)
		}
	}
	c.Turn(2 * time.Hour)
}

// waitList: the order of those that stay, whoever leaves from the middle or the ends.
func TestWaitListKeepsOrder(t *testing.T) {
	for _, leave := range [][]int{{}, {0}, {4}, {2}, {0, 4}, {1, 2, 3}, {0, 1, 2, 3, 4}} {
		c := manual(t, Config{})
		var l waitList
		var tasks []*Task
		var order []int
		for i := range 5 {
			tasks = append(tasks, c.Go("waits", func() {
				if l.park(c) == nil {
					order = append(order, i)
				}
			}))
		}
		settle(t, c)
		for _, i := range leave {
			tasks[i].Cancel(nil)
		}
		for l.wakeOne() {
		}
		settle(t, c)
		var want []int
		for i := range 5 {
			if !slices.Contains(leave, i) {
				want = append(want, i)
			}
		}
		if !slices.Equal(order, want) {
			t.Errorf("without %v: %v", leave, order)
		}
	}
}
