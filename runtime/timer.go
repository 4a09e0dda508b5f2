package runtime

import (
	"math"
	"slices"
	"time"

	"github.com/weirgo/weir/sched"
)

// Timer is a timer that calls back on a loop's thread. The zero value is ready. It belongs to the
// thread of its loop: call its methods before [Loop.Run] or in callbacks (other goroutines use
// [Loop.Post]). It must not be copied. It takes no slot and no kernel memory, so a program may have
// millions.
type Timer struct {
	node  sched.Timer[Timer]
	loop  *Loop
	f     func(*Timer) Action
	every int64
	c     *Completion // the operation whose deadline it is: see Loop.remind
}

// Start arms the timer to call f on the loop's thread after d; for d <= 0 that is the next tick. It
// moves an armed timer. If f returns [Rearm] the timer fires again d after it was due, or d from
// now if that is already past.
func (t *Timer) Start(l *Loop, d time.Duration, f func(*Timer) Action) {
	if t.node.Pending() && t.loop != l {
		panic("weir: Timer started on a second loop while it is armed")
	}
	switch {
	case l == nil || l.be == nil:
		l.mustBeMade()
	case f == nil:
		panic("weir: Timer started without a function")
	case l.drive == driveScheduler:
		panic("weir: Timer started on a loop that has no thread: it is for loops made by NewLoop")
	}
	t.loop, t.f, t.node.Owner = l, f, t
	t.Reset(d)
}

// Reset moves the timer to d from now, and arms it if it is not armed. It reports whether it was
// armed.
func (t *Timer) Reset(d time.Duration) bool {
	if t.loop == nil {
		panic("weir: Reset of a Timer that was never started")
	}
	t.every = int64(d)
	return t.arm(later(t.loop.be.Now(), t.every))
}

// later returns now + d, or the end of time if that overflows.
func later(now, d int64) int64 {
	if d > 0 && now > math.MaxInt64-d {
		return math.MaxInt64
	}
	return now + d
}

func (t *Timer) arm(when int64) (was bool) {
	if was = t.node.Pending(); !was {
		t.loop.timers++
	}
	t.loop.wheel.Add(&t.node, when)
	return was
}

// Stop disarms the timer. It reports whether it was armed; if so its callback will not run.
func (t *Timer) Stop() bool {
	if t.loop == nil || !t.loop.wheel.Remove(&t.node) {
		return false
	}
	t.loop.timers--
	return true
}

// Armed reports whether the timer is going to fire.
func (t *Timer) Armed() bool { return t.node.Pending() }

// remind puts the deadline of an operation in flight into the wheel, or moves it there. Few
// operations have a deadline, so the Timer is the loop's, and not a part of each Completion.
func (l *Loop) remind(c *Completion, when int64) {
	t := c.alarm
	if t == nil {
		if n := len(l.alarms); n > 0 {
			t, l.alarms = l.alarms[n-1], l.alarms[:n-1]
		} else {
			t = new(Timer)
			t.node.Owner = t
		}
		t.c, c.alarm = c, t
	} else if t.node.Pending() && t.node.When() == when {
		return
	}
	l.wheel.Add(&t.node, when)
}

// forget takes the deadline of an operation out of the wheel.
func (l *Loop) forget(c *Completion) {
	t := c.alarm
	if t == nil {
		return
	}
	l.wheel.Remove(&t.node)
	t.c, c.alarm = nil, nil
	l.spareAlarm(t)
}

// spareAlarm keeps t for another deadline, unless more are spare than in use. In that case it also
// frees one spare.
func (l *Loop) spareAlarm(t *Timer) {
	n := len(l.alarms)
	if n <= l.wheel.Len()+minSpare {
		l.alarms = append(l.alarms, t)
		return
	}
	l.alarms[n-1] = nil
	if l.alarms = l.alarms[:n-1]; cap(l.alarms) > 4*n+minSpare {
		l.alarms = slices.Clone(l.alarms)
	}
}

// minSpare is how many reusable items a loop keeps although it uses fewer.
const minSpare = 4096

// emptied returns the list without its items, for reuse, or nil if it has become so long that it is
// better freed.
func emptied[T any](list []T) []T {
	if cap(list) > minSpare {
		return nil
	}
	clear(list)
	return list[:0]
}

func (t *Timer) fire(now int64) {
	l := t.loop
	l.timers--
	l.resolved.Add(1)
	when := t.node.When()
	l.firing = true
	again := t.f(t) == Rearm
	l.firing = false
	if again && !t.node.Pending() {
		if when = later(when, t.every); when <= now {
			when = later(now, t.every)
		}
		t.arm(when)
	}
}
