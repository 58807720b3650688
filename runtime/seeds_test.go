package coreruntime_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/driver/sim"
	"github.com/percore/percore/runtime"
)

// TestSeeds lets simulated cores post to each other in chains. A core is turned only while it has a reason of its own:
// it was woken, its driver has something, or its last turn left work. Every post must run all the same.
func TestSeeds(t *testing.T) {
	for seed := uint64(1); seed <= 200; seed++ {
		if err := playPosts(seed); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func playPosts(seed uint64) error {
	w := sim.New(seed)
	w.SetFaults(sim.AllFaults())
	r := rand.New(rand.NewPCG(seed, 9))
	var drivers []driver.Driver
	for i := range 2 + r.IntN(3) {
		drivers = append(drivers, w.Driver(i, sim.Config{}))
	}
	cores := coreruntime.NewManuals(coreruntime.Config{MailboxMax: 1 + r.IntN(100)}, drivers...)
	posted, ran := 0, 0
	var chain func(left int)
	chain = func(left int) {
		ran++
		for range min(left, 1+r.IntN(2)) {
			posted++
			_ = cores[r.IntN(len(cores))].Post(func() { chain(left - 1 - r.IntN(3)) })
		}
	}
	for range 5 {
		posted++
		_ = cores[r.IntN(len(cores))].Post(func() { chain(12) })
	}
	restless := make([]bool, len(cores))
	for quiet := 0; quiet < 3; quiet++ {
		for i, c := range cores {
			d := drivers[i].(*sim.Driver)
			for turns := 0; d.Pending() || restless[i]; turns++ {
				c.Turn(c.Now() + time.Microsecond)
				restless[i], quiet = !c.Idle(), 0
				if turns > 10_000 {
					return fmt.Errorf("core %d finds no rest", i)
				}
			}
		}
	}
	if ran != posted {
		return fmt.Errorf("%d posts, %d ran", posted, ran)
	}
	for _, c := range cores {
		if err := c.CloseManual(); err != nil {
			return err
		}
	}
	return nil
}
