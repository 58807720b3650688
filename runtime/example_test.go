package coreruntime_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"time"

	"github.com/percore/percore/runtime"
)

// A task on every core, and a stop that waits for all of them.
func Example() {
	rt, err := coreruntime.Start(context.Background(), coreruntime.Config{Cores: 2})
	if err != nil {
		log.Fatal(err)
	}
	err = rt.Run(func(c *coreruntime.Core) error {
		return c.Sleep(time.Millisecond) // parks the task, not the core
	})
	fmt.Println("tasks:", err)
	fmt.Println("stop:", rt.Stop(context.Background()))
	// Output:
	// tasks: <nil>
	// stop: <nil>
}

// Tasks of one core never run at the same time, so they share memory without locks.
func ExampleCore_Go() {
	rt, err := coreruntime.Start(context.Background(), coreruntime.Config{Cores: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer rt.Stop(context.Background())
	err = rt.Run(func(c *coreruntime.Core) error {
		sum := 0
		var tasks []*coreruntime.Task
		for i := range 4 {
			tasks = append(tasks, c.Go("adds", func() {
				if c.Sleep(time.Duration(i)*time.Millisecond) == nil {
					sum += i
				}
			}))
		}
		for _, t := range tasks {
			if err := t.Wait(); err != nil {
				return err
			}
		}
		fmt.Println(sum)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 6
}

// Code that blocks runs on an ordinary goroutine; the task parks until it is done.
func ExampleOffload() {
	rt, err := coreruntime.Start(context.Background(), coreruntime.Config{Cores: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer rt.Stop(context.Background())
	err = rt.Run(func(c *coreruntime.Core) error {
		answer, err := coreruntime.Offload(c, func() (int, error) {
			return strconv.Atoi("42") // a database call, say
		})
		fmt.Println(answer, err)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 42 <nil>
}

// The call a task is parked in returns the cause of its cancel.
func ExampleTask_Cancel() {
	rt, err := coreruntime.Start(context.Background(), coreruntime.Config{Cores: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer rt.Stop(context.Background())
	err = rt.Run(func(c *coreruntime.Core) error {
		t := c.Go("sleeper", func() { fmt.Println(c.Sleep(time.Hour)) })
		if err := c.Yield(); err != nil {
			return err
		}
		t.Cancel(errors.New("no longer needed"))
		return t.Wait()
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: no longer needed
}
