package uring

import (
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/percore/percore/internal/driver"
)

// BenchmarkTurn is the driver's share of a turn in which n connections have data: n sends without a ring,
// n completions with a buffer each, n recycles.
func BenchmarkTurn(b *testing.B) {
	for _, n := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			d, err := Open(Config{})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			var peers []int
			for i := range n {
				p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
				if err != nil {
					b.Fatal(err)
				}
				defer unix.Close(p[0])
				defer unix.Close(p[1])
				peers = append(peers, p[1])
				d.Submit(driver.Op{Code: driver.Recv, Multi: true, FD: int32(p[0]), Token: token(kindRecv, uint32(i))})
			}
			msg, out := make([]byte, 64), make([]driver.Completion, 256)
			enters := d.Counters().Enters
			b.ResetTimer()
			for range b.N {
				for _, fd := range peers {
					d.TrySend(fd, msg)
				}
				for got := 0; got < n; {
					k, err := d.Wait(out, 1, -1)
					if err != nil {
						b.Fatal(err)
					}
					for _, c := range out[:k] {
						if c.Bid >= 0 {
							d.Recycle(c.Bid)
						}
					}
					got += k
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/message")
			b.ReportMetric(float64(d.Counters().Enters-enters)/float64(b.N), "enters/turn")
		})
	}
}
