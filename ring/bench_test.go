package ring

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// BenchmarkEnter compares the optional features: what one enter with n nops costs.
func BenchmarkEnter(b *testing.B) {
	for _, cfg := range []Config{{}, {RegisterFD: Off}, {NoSQArray: Off}, {RegisterWait: Off}} {
		for _, n := range []int{1, 16} {
			b.Run(fmt.Sprintf("registered=%v/array=%v/wait=%v/nops=%d", cfg.RegisterFD == Auto, cfg.NoSQArray == Off, cfg.RegisterWait == Auto, n), func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				r, err := Open(cfg)
				if err != nil {
					b.Fatal(err)
				}
				defer r.Close()
				batch := make([]CQE, n)
				b.ResetTimer()
				for range b.N {
					for i := range n {
						r.NextSQE().PrepNop(uint64(i))
					}
					r.Wait(time.Second)
					r.Copy(batch)
				}
			})
		}
	}
}
