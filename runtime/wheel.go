package coreruntime

import (
	"math/bits"
	"time"
)

// Expirer is called on the core when its timer is due. It may set and stop timers, and must not park or
// run user code.
type Expirer interface {
	Expire(t *Timer, now time.Duration)
}

// Timer is one deadline on a core's wheel. The zero value is ready; embed it where the deadline lives. A
// timer belongs to the core it was set on while it is armed.
type Timer struct {
	owner      Expirer
	when       uint64 // tick
	list       *timerList
	prev, next *Timer
}

// Armed reports whether the timer is set and has not fired.
func (t *Timer) Armed() bool { return t.list != nil }

// timerList is a doubly linked list; slot and level let an emptied slot clear its bit.
type timerList struct {
	head  *Timer
	level uint8
	slot  uint8
}

func (l *timerList) push(t *Timer) {
	t.list, t.prev, t.next = l, nil, l.head
	if l.head != nil {
		l.head.prev = t
	}
	l.head = t
}

func (l *timerList) remove(t *Timer) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.head = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.list, t.prev, t.next = nil, nil, nil
}

const (
	timerTick   = time.Millisecond
	wheelLevels = 6
	wheelBits   = 6
	wheelSlots  = 1 << wheelBits
	firingLevel = wheelLevels // the level number of wheel.firing
)

// wheel is a hierarchical timing wheel of 1 ms ticks. Level n has 64 slots of 64^n ticks. A timer sits
// on the level of the highest 6-bit digit in which its tick differs from the current one, so the lowest
// occupied level always holds the earliest timer, and a timer moves down a level when its slot's time
// comes. What is further off than the top level reaches (two years) goes around there.
type wheel struct {
	tick     uint64 // everything up to here has fired
	until    uint64 // where the latest expire goes: what it calls sets timers past that, so that it ends
	occupied [wheelLevels]uint64
	slots    [wheelLevels][wheelSlots]timerList
	firing   timerList // the slot being fired; StopTimer works in here too
	armed    int
}

func (w *wheel) init() {
	for l := range w.slots {
		for s := range w.slots[l] {
			w.slots[l][s].level, w.slots[l][s].slot = uint8(l), uint8(s)
		}
	}
	w.firing.level = firingLevel
}

// set arms t at the first tick not before at; a time that has passed fires with the next tick.
func (w *wheel) set(t *Timer, at time.Duration, o Expirer) {
	w.stop(t)
	tick := (uint64(max(at, 0)) + uint64(timerTick) - 1) / uint64(timerTick)
	t.owner, t.when = o, max(tick, w.until+1)
	w.insert(t)
	w.armed++
}

func (w *wheel) insert(t *Timer) {
	digit := bits.Len64((w.tick ^ t.when) | (wheelSlots - 1))
	level := min((digit-1)/wheelBits, wheelLevels-1)
	slot := (t.when >> (level * wheelBits)) & (wheelSlots - 1)
	w.slots[level][slot].push(t)
	w.occupied[level] |= 1 << slot
}

func (w *wheel) stop(t *Timer) {
	l := t.list
	if l == nil {
		return
	}
	l.remove(t)
	w.armed--
	if l.head == nil && l.level != firingLevel {
		w.occupied[l.level] &^= 1 << l.slot
	}
}

// next returns the tick at which the wheel must be looked at again, and the slot that is then due.
func (w *wheel) next() (tick uint64, list *timerList) {
	for level := range wheelLevels {
		occ := w.occupied[level]
		if occ == 0 {
			continue
		}
		shift := level * wheelBits
		nowSlot := (w.tick >> shift) & (wheelSlots - 1)
		after := nowSlot + 1 // the current slot comes last: on the top level it means one time around
		slot := (uint64(bits.TrailingZeros64(bits.RotateLeft64(occ, -int(after)))) + after) & (wheelSlots - 1)
		span := uint64(1) << (shift + wheelBits)
		tick = w.tick&^(span-1) + slot<<shift
		if tick <= w.tick {
			tick += span
		}
		return tick, &w.slots[level][slot]
	}
	return 0, nil
}

// expire fires every timer due at now.
func (w *wheel) expire(now time.Duration) {
	until := uint64(now / timerTick)
	w.until = max(w.until, until)
	for w.armed > 0 {
		tick, list := w.next()
		if list == nil || tick > until {
			break
		}
		w.tick = tick
		w.fire(list, now)
	}
	w.tick = max(w.tick, until)
}

// fire empties one slot: what is due is called, the rest moves to a lower level.
func (w *wheel) fire(list *timerList, now time.Duration) {
	w.occupied[list.level] &^= 1 << list.slot
	for t := list.head; t != nil; t = list.head {
		list.remove(t)
		w.firing.push(t)
	}
	for t := w.firing.head; t != nil; t = w.firing.head {
		w.firing.remove(t)
		if t.when > w.tick {
			w.insert(t)
			continue
		}
		w.armed--
		t.owner.Expire(t, now)
	}
}

// deadline returns when Wait must end for the wheel's sake, negative if never.
func (w *wheel) deadline() time.Duration {
	if w.armed == 0 {
		return -1
	}
	tick, _ := w.next()
	return time.Duration(tick) * timerTick
}

// SetTimer arms t to call o at or, by less than 1 ms plus the length of a turn, after at. An armed timer
// is set anew. Core only.
func (c *Core) SetTimer(t *Timer, at time.Duration, o Expirer) { c.wheel.set(t, at, o) }

// StopTimer disarms t; a timer that is not armed is left alone. Core only.
func (c *Core) StopTimer(t *Timer) { c.wheel.stop(t) }
