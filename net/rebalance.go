package corenet

import (
	"sync/atomic"

	"github.com/percore/percore/runtime"
)

// gauge is what the other cores see of a member, and change when they send it a connection. It has a cache
// line to itself: they read it with the connections they accept.
type gauge struct {
	_        [cacheLine]byte
	conns    atomic.Int32 // open here, or on their way to here
	arriving atomic.Int32 // of these, on their way
	takes    atomic.Bool  // connections are wanted here, and the queue for Accept has room
	paused   atomic.Bool  // see capped
	borrows  atomic.Bool  // see borrow
	waking   atomic.Bool  // a letter is under way that looks whether that still holds
	_        [cacheLine]byte
}

const (
	// cacheLine is what CPUs pass to each other at once, on amd64 and nearly all of arm64.
	cacheLine = 64
	// surplusShare: a surplus below this part of the mean is left alone. With many connections a hash
	// spreads them better than that, and each move costs two cores a few microseconds.
	surplusShare = 16
	// arrivingMax is how many connections may be on their way to one member. A core that stands still
	// looks idle to the others; this is all that they lose to it.
	arrivingMax = 64
	// peeksMax is how many other cores are looked at for each accept, on average.
	peeksMax = 8
)

// count and uncount keep both counts of a connection: the member's own and its core's. Any core.
func (m *CoreListener) count() {
	m.gauge.conns.Add(1)
	m.core.AddConns(1)
	m.filled(m)
}

func (m *CoreListener) uncount() {
	m.gauge.conns.Add(-1)
	m.core.AddConns(-1)
}

// reserve counts a connection that is about to be sent here, unless that would break ConnsMax. Any core.
func (m *CoreListener) reserve() bool {
	for n := m.gauge.conns.Load(); ; n = m.gauge.conns.Load() {
		if limit := m.group.connsMax; limit > 0 && int(n) >= limit {
			return false
		}
		if m.gauge.conns.CompareAndSwap(n, n+1) {
			m.core.AddConns(1)
			return true
		}
	}
}

// better returns the member that a connection just taken here should go to, nil when it should stay.
func (m *CoreListener) better() *CoreListener {
	if m.group.surplusMax < 0 || len(m.group.members) == 1 {
		return nil
	}
	full := m.room() <= 0
	if !full && m.core.Conns() < m.fairShare() {
		return nil
	}
	to := m.lightest()
	if to == nil || !full && to.core.Conns() >= m.core.Conns() {
		return nil
	}
	return to
}

// fairShare is how many connections this core may have before new ones are sent on: the mean of the cores
// that take any and a surplus, or twice the surplus above the least loaded core, whichever is less, but the
// mean at least. Without the second a core that lost many would stay behind: the others are hardly above
// the mean then. It is worked out anew once for every peeksMax cores there are, so that an accept on a large
// machine does not fetch a cache line from each of them.
func (m *CoreListener) fairShare() int {
	if m.shareUses > 0 {
		m.shareUses--
		return m.share
	}
	own := m.core.Conns()
	sum, n, least := own, 1, own
	for _, o := range m.group.members {
		if o != m && o.gauge.takes.Load() {
			conns := o.core.Conns()
			sum, n, least = sum+conns, n+1, min(least, conns)
		}
	}
	mean := sum / n
	surplus := max(m.group.surplusMax, mean/surplusShare)
	m.share = max(mean, min(mean+surplus, least+2*surplus))
	m.shareUses = (len(m.group.members) - 1) / peeksMax
	return m.share
}

// lightest returns the other member with the least loaded core that would take a connection; nil: none.
// It begins behind its own, or all cores with a surplus would find the same one of several equals.
func (m *CoreListener) lightest() (best *CoreListener) {
	all := m.group.members
	for i := 1; i < len(all); i++ {
		o := all[(m.core.ID()+i)%len(all)]
		if o.wants(1) && (best == nil || o.core.Conns() < best.core.Conns()) {
			best = o
		}
	}
	return best
}

// send hands a connection that no op and no byte was spent on to another core. It reports false when it
// must stay: to has filled up meanwhile, its mailbox is full, or its core has ended.
func (m *CoreListener) send(fd int, to *CoreListener) bool {
	if !to.reserve() {
		return false
	}
	if !to.mail(fd, m) {
		m.tellRoom()
		return false
	}
	to.filled(m)
	m.core.Count(coreruntime.ConnsMovedOut, 1)
	return true
}

// mail puts a connection that is already counted here on its way to here. Any core.
func (m *CoreListener) mail(fd int, from *CoreListener) bool {
	m.gauge.arriving.Add(1)
	if m.core.TryPost(func() { m.arrive(fd, from) }) {
		return true
	}
	m.gauge.arriving.Add(-1)
	m.uncount()
	return false
}

// arrive takes a connection out of the mail. One that was accepted before a Close is served after it, as it
// would be on the core that accepted it; but nobody calls Accept any more. A core that has ended sends it
// back, because there the drain may still be going on.
func (m *CoreListener) arrive(fd int, from *CoreListener) {
	m.gauge.arriving.Add(-1)
	ended := m.core.Ended()
	if !ended && (!m.closing || m.open != nil) {
		m.core.Count(coreruntime.ConnsMovedIn, 1)
		m.adopt(fd)
	} else {
		m.uncount()
		if !ended || from == nil || !from.takeBack(fd) {
			_ = m.core.Driver().CloseFD(fd)
		}
	}
	m.tellRoom()
	m.settle()
}

func (m *CoreListener) takeBack(fd int) bool {
	m.count()
	return m.mail(fd, nil)
}
