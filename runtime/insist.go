package runtime

import "github.com/weirgo/weir/backends"

// insist repeats cancellations that a kernel has lost. The kernel may answer that an operation is
// under way and has been told (EALREADY). If its worker has just moved a part, the worker takes the
// interruption as done and goes on to wait. So the loop asks again, after longer and longer times,
// until the terminal event arrives. Nearly always that happens in the same tick.
type insist struct {
	timer Timer // in the loop's wheel while there is something to look after
	asked []backends.ID
	pause int64 // the last pause, in nanoseconds
}

// The first and the longest pause before the loop asks again, in nanoseconds.
const (
	firstPause = 10e6
	lastPause  = 1e9
)

// cancel asks for the end of an operation that the backend has.
func (l *Loop) cancel(id backends.ID) {
	l.cancels = append(l.cancels, id)
	l.stats.cancels.Add(1)
	l.insist.asked = append(l.insist.asked, id)
	l.insistIn(firstPause)
}

func (l *Loop) insistIn(pause int64) {
	t := &l.insist.timer
	if when := later(l.clock(), pause); !t.node.Pending() || when < t.node.When() {
		t.node.Owner, l.insist.pause = t, pause
		l.wheel.Add(&t.node, when)
	}
}

// unneeded stops looking after operations that are over, so that an idle loop is not woken for
// them.
func (l *Loop) unneeded() {
	n := len(l.insist.asked)
	for n > 0 && l.slots.lookup(l.insist.asked[n-1]) == nil {
		n--
	}
	if l.insist.asked = l.insist.asked[:n]; n == 0 {
		l.insist.asked = emptied(l.insist.asked)
		l.wheel.Remove(&l.insist.timer.node)
	}
}

// askAgain repeats the cancellations of operations that are not over.
func (l *Loop) askAgain() {
	left := l.insist.asked[:0]
	for _, id := range l.insist.asked {
		if l.slots.lookup(id) != nil {
			left = append(left, id)
		}
	}
	if l.insist.asked = left; len(left) == 0 || l.lost != nil {
		l.insist.asked = emptied(left)
		return
	}
	l.cancels = append(l.cancels, left...)
	l.stats.cancels.Add(uint64(len(left)))
	l.insistIn(min(2*l.insist.pause, lastPause))
}
