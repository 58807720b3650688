package corenet_test

import (
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// 1,000 connections are cut at random points, in random ways, against both faces. Nothing may be left.
func TestCutConnectionsLeaveNothing(t *testing.T) {
	conns := 1000
	if testing.Short() {
		conns = 200
	}
	onDrivers(t, coreruntime.Config{}, func(t *testing.T, rt *coreruntime.Runtime) {
		lc := corenet.ListenConfig{Conn: corenet.ConnConfig{LingerMax: 200 * time.Millisecond, OutBufferMax: 32 << 10}}
		task := serve(t, rt, lc, echo)
		proto := listen(t, rt, lc)
		if err := proto.Serve(func(*coreruntime.Core) corenet.Protocol { return &echoProtocol{} }); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), 5))
				for n := range conns / 20 {
					addr := task.Addr()
					if n%2 == 1 {
						addr = proto.Addr()
					}
					cut(t, addr, r)
				}
			})
		}
		wg.Wait()
		quietCores(t, rt, 2)
		if err := proto.Close(); err != nil {
			t.Error(err)
		}
	})
}

// cut talks a little and goes away without manners.
func cut(t *testing.T, addr net.Addr, r *rand.Rand) {
	nc, err := net.DialTimeout("tcp", addr.String(), testMax)
	if err != nil {
		t.Errorf("dial: %v", err)
		return
	}
	defer nc.Close()
	c := nc.(*net.TCPConn)
	_ = c.SetDeadline(time.Now().Add(20 * time.Millisecond)) // a writer that does not read gets stuck
	for range r.IntN(4) {
		if _, err := c.Write(make([]byte, 1+r.IntN(1<<r.IntN(19)))); err != nil {
			break
		}
		if r.IntN(2) == 0 {
			_, _ = c.Read(make([]byte, 1+r.IntN(9000)))
		}
	}
	switch r.IntN(3) {
	case 0:
		_ = c.SetLinger(0) // reset
	case 1:
		_ = c.CloseWrite()
	}
}

// 20 peers upload as fast as they can into a core with 256 buffers; a quiet connection beside them still
// gets its answers. The bound is stated for a shared machine with 2 CPUs: what a turn costs with 20
// paced uploads is well below 1 ms, the rest is the scheduler's. With -short, which is for machines that are slow or
// busy with other things, the time is told, not judged.
func TestQuietConnectionBesideFastUploaders(t *testing.T) {
	const p99Max = 50 * time.Millisecond
	onDrivers(t, coreruntime.Config{Cores: 1, Buffers: 256, BuffersMax: 256}, func(t *testing.T, rt *coreruntime.Runtime) {
		upload := serve(t, rt, corenet.ListenConfig{}, func(c *corenet.Conn) {
			defer c.Close()
			_, _ = io.Copy(io.Discard, c)
		})
		quiet := serve(t, rt, corenet.ListenConfig{}, echo)
		c := dialStd(t, quiet.Addr())
		exchangeByte(t, c)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 20 {
			u := dialStd(t, upload.Addr())
			wg.Go(func() {
				defer u.Close()
				for p := make([]byte, 256<<10); ; {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := u.Write(p); err != nil {
						t.Errorf("upload: %v", err)
						return
					}
				}
			})
		}
		var took []time.Duration
		for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
			began := time.Now()
			exchangeByte(t, c)
			took = append(took, time.Since(began))
		}
		close(stop)
		wg.Wait()
		c.Close()
		slices.Sort(took)
		p99 := took[len(took)*99/100]
		m := rt.Metrics().Cores[0]
		t.Logf("%d round trips: median %v, p99 %v, max %v; %d MB uploaded, %d starvations, %d paced",
			len(took), took[len(took)/2], p99, took[len(took)-1], m.Counters["bytes_received"]>>20,
			m.Counters["starvations"], m.Counters["receives_paced"])
		if p99 > p99Max && !testing.Short() && !raceEnabled { // the detector makes a turn many times longer
			t.Errorf("p99 is %v, at most %v is meant", p99, p99Max)
		}
		quietCores(t, rt, 2)
	})
}
