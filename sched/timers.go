package sched

import "math/bits"

// The geometry of a Wheel. A tick is 1<<tickBits nanoseconds. 9 levels of 6 bits cover the 54 bits
// of tick number that an int64 time has, so every deadline has a slot and there is no overflow
// list.
const (
	tickBits   = 10
	levelBits  = 6
	slotCount  = 1 << levelBits
	levelCount = (64 - tickBits) / levelBits

	lastOfTick = 1<<tickBits - 1 // the low bits of a tick's last nanosecond
)

// A Timer is a deadline in a [Wheel]. It is meant to be a field of the value it wakes, with Owner
// pointing back to it. A Timer with only Owner set, or not even that, is ready for use. It must not
// be copied, and its memory must stay put while it is pending. A Timer belongs to one Wheel at a
// time, and like it is used by one goroutine at a time.
type Timer[T any] struct {
	_ noCopy

	Owner *T

	next, prev *Timer[T] // a ring through the list's root; nil while not pending
	when       int64
}

// Pending reports whether t is armed: added, and neither removed nor popped since.
func (t *Timer[T]) Pending() bool {
	return t.next != nil
}

// When returns the deadline of the last [Wheel.Add], to the nanosecond, or 0 if there was none. It
// is still there after t has fired.
func (t *Timer[T]) When() int64 {
	return t.when
}

// A Wheel finds the timers whose deadline has passed. It is a hierarchical timing wheel: adding,
// moving and removing a timer costs the same however many are pending, and nothing is allocated
// after [NewWheel]. It knows only the times that it is given. Only one goroutine at a time may use
// a Wheel.
//
// Its time, "now" below, is the latest that [NewWheel] or [Wheel.Pop] was given: it never goes
// back.
//
// A timer never fires before its deadline. It fires at the first Pop whose time reaches the end of
// the tick of 1024 ns that the deadline lies in, so at most 1023 ns late by the time that Pop is
// given. Timers fire in the order of the ticks of their deadlines, and within a tick in the order
// of Add. Those that were already overdue when they were added come before all that expire later.
//
// # How it works
//
// Level 0 has a slot for each of 64 ticks, level 1 a slot for each of 64 such blocks, and so on. A
// timer belongs to the level of the highest 6-bit digit in which its tick differs from cur, the
// tick the wheel has reached, in the slot named by that digit. So every pending timer of level n is
// due before every one of level n+1, and within a level slots are due in the order of their number:
// a bit per slot and a bit per level find the first. When time reaches the earliest tick in a slot
// above level 0, cur moves to this tick and the slot's timers move to the lower levels where they
// now belong. A timer moves down at most once per level.
//
// Each slot remembers the earliest tick that was put into it. So [Wheel.Next] can name the exact
// tick of the first timer, however far it is, and time can pass over a slot's beginning without
// touching it.
//
// Removing a timer only unlinks it. The bit and the earliest tick of its slot stay behind as lower
// bounds, and are corrected when the search meets them.
type Wheel[T any] struct {
	_ noCopy

	now     int64
	cur     uint64 // no timer in a slot has a smaller tick; at most the first tick not over at now
	pending int

	levels uint32             // bit n: slots[n] may have timers
	filled [levelCount]uint64 // bit i of filled[n]: slots[n][i] may have timers
	slots  [levelCount][slotCount]slot[T]

	due  list[T] // expired, in the order in which Pop returns them
	late list[T] // added in mid-sequence with a deadline that had passed: due in the next sequence

	// popping: the last Pop returned a timer, so the caller may be in a loop that ends when Pop
	// reports false.
	popping bool
}

type slot[T any] struct {
	list[T]
	first uint64    // no timer in the list has a smaller tick; meaningless while the list is empty
	mid   *Timer[T] // used by cascade
}

// NewWheel returns an empty Wheel whose time is now.
func NewWheel[T any](now int64) *Wheel[T] {
	w := &Wheel[T]{now: now, cur: tickOf(now)}
	for n := range w.slots {
		for i := range w.slots[n] {
			w.slots[n][i].init()
		}
	}
	w.due.init()
	w.late.init()
	return w
}

// Add arms t for the time when, and moves it there if it is pending. Any when is legal: if it is
// not after now, t fires at the next Pop, or, if the last Pop returned a timer, as [Wheel.Pop]
// says.
func (w *Wheel[T]) Add(t *Timer[T], when int64) {
	if t.Pending() {
		unlink(t)
	} else {
		w.pending++
	}
	t.when = when
	switch {
	case when > w.now:
		w.place(t)
	case w.popping:
		w.late.push(t)
	default:
		w.due.push(t)
	}
}

// Remove disarms t and reports whether it was pending. A t that was popped, removed or never added
// is left alone.
func (w *Wheel[T]) Remove(t *Timer[T]) bool {
	if !t.Pending() {
		return false
	}
	unlink(t)
	w.pending--
	return true
}

// Pending reports whether t is armed. It is the same as t.Pending().
func (w *Wheel[T]) Pending(t *Timer[T]) bool {
	return t.Pending()
}

// Len returns the number of pending timers.
func (w *Wheel[T]) Len() int {
	return w.pending
}

// Next returns the time until which the caller may wait before it calls Pop, and false if no timer
// is pending. The time is never later than the end of the tick that the earliest deadline lies in.
// Usually it is exactly that, and Pop then returns the timer. If an earlier timer was removed or
// moved it may be too early: a Pop at that time returns nothing, and the Next after it is exact,
// until a timer is removed or moved again. After a Pop that reported false the time is after now,
// unless that Pop put timers off; then it is now.
func (w *Wheel[T]) Next() (when int64, ok bool) {
	if !w.due.empty() || !w.late.empty() {
		return w.now, true
	}
	s, _ := w.first()
	if s == nil {
		return 0, false
	}
	return tickEnd(s.first), true
}

// Pop moves the time to now and returns the next timer that has expired, or false if there is none
// left. If now is before the latest time, that is used. The timer is no longer pending: before it
// calls Pop again, the caller may add it again, drop it, and add, move and remove others.
//
// Callers pop until Pop reports false. Such a sequence of calls with the same now always ends: a
// timer that is added during it with a deadline that has already passed is put off, to the Pop
// after the one that reports false, or to one with a later now. (With a later now in each call, the
// caller decides when to stop. It may stop anywhere.)
func (w *Wheel[T]) Pop(now int64) (*Timer[T], bool) {
	if now > w.now {
		w.now = now
		w.late.moveTo(&w.due)
	}
	for w.due.empty() {
		if !w.advance() {
			w.popping = false
			w.late.moveTo(&w.due)
			return nil, false
		}
	}
	t := w.due.root.next
	unlink(t)
	w.pending--
	w.popping = true
	return t, true
}

// advance moves cur to the first tick that may have timers, if that tick is over, and moves its
// timers to due. It reports false if there is no such tick.
func (w *Wheel[T]) advance() bool {
	end := ticksOver(w.now)
	s, level := w.first()
	if s == nil {
		w.cur = end
		return false
	}
	if s.first >= end {
		// Nothing has expired, but cur should not lag behind: the closer it is, the lower the
		// levels of the timers to come. It may not enter a slot above level 0 without emptying it.
		if level > 0 {
			end = min(end, s.first>>(level*levelBits)<<(level*levelBits)-1)
		}
		w.cur = end
		return false
	}
	w.cur = s.first
	if level == 0 {
		s.moveTo(&w.due)
	} else {
		w.cascade(s, level)
	}
	return true
}

// place appends t, which is in no list, to the slot for its deadline. Its tick is not before cur.
func (w *Wheel[T]) place(t *Timer[T]) {
	s := w.slotFor(t)
	insert(t, s.root.prev)
}

// slotFor returns the slot that t belongs into and makes it ready to take t.
func (w *Wheel[T]) slotFor(t *Timer[T]) *slot[T] {
	tick := tickOf(t.when)
	level := uint(bits.Len64((tick^w.cur)|1)-1) / levelBits
	i := tick >> (level * levelBits) % slotCount
	s := &w.slots[level][i]
	if s.empty() || tick < s.first {
		s.first = tick
	}
	w.filled[level] |= 1 << i
	w.levels |= 1 << level
	return s
}

// cascade moves the timers of s, the first slot with timers, from its level to lower ones, all of
// which are empty, and keeps their order.
//
// With many timers nearly all the time goes into waiting for the memory of the next one in the
// list. So the list is walked from both ends at once, which lets two such waits overlap. Each slot
// on the lower levels is filled from both ends, too: mid is the last of the timers that came from
// the front, and both those from the front and those from the back go right behind it.
func (w *Wheel[T]) cascade(s *slot[T], level uint) {
	front, back := s.root.next, s.root.prev
	s.init()
	for {
		afterFront, beforeBack := front.next, back.prev
		last := front == back || afterFront == back
		w.fill(front).mid = front
		if front != back {
			w.fill(back)
		}
		if last {
			break
		}
		front, back = afterFront, beforeBack
	}
	for n := range level {
		for f := w.filled[n]; f != 0; f &= f - 1 {
			w.slots[n][bits.TrailingZeros64(f)].mid = nil // do not keep the timer alive
		}
	}
}

// fill inserts t into its slot behind mid.
func (w *Wheel[T]) fill(t *Timer[T]) *slot[T] {
	s := w.slotFor(t)
	if s.mid == nil {
		s.mid = &s.root
	}
	insert(t, s.mid)
	return s
}

// first returns the first slot that has timers, and its level, or nil. It clears the bits of empty
// slots that it meets on the way; a bit is cleared at most once per Add, so this costs O(1)
// amortised.
func (w *Wheel[T]) first() (s *slot[T], level uint) {
	for w.levels != 0 {
		level = uint(bits.TrailingZeros32(w.levels))
		for w.filled[level] != 0 {
			s = &w.slots[level][bits.TrailingZeros64(w.filled[level])]
			if !s.empty() {
				return s, level
			}
			w.filled[level] &= w.filled[level] - 1
		}
		w.levels &= w.levels - 1
	}
	return nil, 0
}

// Ticks are numbered from the lowest int64 on, so that they are unsigned and in order for negative
// times too.

// tickOf returns the number of the tick that the time when lies in.
func tickOf(when int64) uint64 {
	return (uint64(when) ^ 1<<63) >> tickBits
}

// tickEnd returns the last nanosecond of a tick.
func tickEnd(tick uint64) int64 {
	return int64((tick<<tickBits | lastOfTick) ^ 1<<63)
}

// ticksOver returns how many ticks are over at the time now: the number of the first one that is
// not.
func ticksOver(now int64) uint64 {
	tick := tickOf(now)
	if now&lastOfTick == lastOfTick {
		tick++
	}
	return tick
}

// A list is a ring of timers through root, whose other fields are unused.
type list[T any] struct {
	root Timer[T]
}

func (l *list[T]) init() {
	l.root.next, l.root.prev = &l.root, &l.root
}

func (l *list[T]) empty() bool {
	return l.root.next == &l.root
}

// push appends t, which is in no list.
func (l *list[T]) push(t *Timer[T]) {
	insert(t, l.root.prev)
}

// moveTo appends all timers to dst and leaves l empty.
func (l *list[T]) moveTo(dst *list[T]) {
	if l.empty() {
		return
	}
	first, last, end := l.root.next, l.root.prev, dst.root.prev
	end.next, first.prev = first, end
	last.next, dst.root.prev = &dst.root, last
	l.init()
}

// insert puts t, which is in no list, behind prev.
func insert[T any](t, prev *Timer[T]) {
	next := prev.next
	t.next, t.prev = next, prev
	prev.next, next.prev = t, t
}

// unlink takes t out of the list it is in.
func unlink[T any](t *Timer[T]) {
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
}
