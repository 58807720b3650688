package corenet_test

import (
	"runtime"
	"testing"

	"github.com/percore/percore/internal/driver"
	"github.com/percore/percore/internal/leak"
	"github.com/percore/percore/net"
	"github.com/percore/percore/runtime"
)

// An idle connection with an echo task that was served once costs at most 8 KiB of user memory, coroutine
// included (design: idle budgets). The standard
// clients of the same process, about 1 KiB each, are counted in.
func TestIdleEchoTaskIsSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("needs a build without -race, which makes everything larger")
	}
	const conns, budget = 500, 8 << 10
	leak.Check(t)
	rt := start(t, driver.Uring, coreruntime.Config{Cores: 1})
	ln := serve(t, rt, corenet.ListenConfig{}, echo)
	exchangeByte(t, dialStd(t, ln.Addr()))
	base := inUse()
	for range conns {
		exchangeByte(t, dialStd(t, ln.Addr()))
	}
	per := int(inUse()-base) / conns
	t.Logf("%d bytes for each idle echo connection", per)
	if per > budget {
		t.Errorf("an idle echo connection costs %d bytes, at most %d are meant", per, budget)
	}
}

// inUse is heap and stacks after two collections.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
