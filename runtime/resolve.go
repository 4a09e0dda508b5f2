package runtime

import (
	"github.com/weirgo/weir/backends"
)

// expire fires the timers that are due.
func (l *Loop) expire() {
	if l.wheel.Len() == 0 {
		return
	}
	now := l.clock()
	// a callback that arms a timer for now runs again in the next tick
	for budget := l.wheel.Len(); budget > 0; budget-- {
		n, ok := l.wheel.Pop(now)
		if !ok {
			return
		}
		switch t := n.Owner; {
		case t.c != nil:
			l.expired(t.c)
		case t == &l.insist.timer:
			l.askAgain()
		default:
			t.fire(now)
		}
	}
}

// expired ends an operation whose deadline has passed.
func (l *Loop) expired(c *Completion) {
	if c.Op.Code == backends.OpTimeout && c.cause == causeNone && !c.guarded {
		if s := l.slots.lookup(c.id); s != nil {
			l.finish(s, 0)
		}
		return
	}
	l.stop(c, causeDeadline)
}

// dispatch resolves outcomes on a thread loop. It keeps its position, so that a callback that
// panics does not lose the others. An operation that a callback starts again and that is over at
// once waits for the next turn, so that it does not keep the loop from its other work.
func (l *Loop) dispatch() {
	ran := uint64(0)
	defer func() {
		if ran > 0 {
			l.resolved.Add(ran)
		}
	}()
	for end := len(l.done); l.donePos < end; {
		o := l.done[l.donePos]
		l.done[l.donePos].c = nil
		l.donePos++
		if !o.c.park {
			ran++
		}
		if l.resolve(o, stateStarted) {
			l.start(o.c)
		}
	}
	rest := copy(l.done, l.done[l.donePos:])
	if rest > 0 {
		clear(l.done[rest:])
	}
	l.done, l.donePos = l.done[:rest], 0
	if rest == 0 {
		l.done = emptied(l.done)
	}
}

// resolve hands an outcome to the goroutine or the callback it is for. It reports whether the
// callback wants the operation started again; in that case the Completion is in the given state.
func (l *Loop) resolve(o outcome, state uint64) (again bool) {
	c, r, n, apart := o.c, o.c.room, int64(1), int64(1)
	c.res, c.more = o.res, o.more
	if c.head {
		b := c.batch.Load()
		n, apart = b.room, b.apart
	}
	if c.park {
		c.become(stateIdle)
		l.discharge(r, n, apart)
		l.stats.wakes.Add(1)
		c.parker.Unpark() // from here on c belongs to its waiter
		return false
	}
	if o.more {
		if c.Callback(c) == Disarm {
			l.Cancel(c)
		}
		return false
	}
	defer func() {
		if !again {
			l.discharge(r, n, apart) // also if the callback panics
		}
	}()
	c.become(stateIdle)
	if c.Callback(c) != Rearm || l.closeIt.Load() {
		return false
	}
	next := uint64(0) // a Cancel that has not been answered yet is for the next operation
	if c.Err() == ErrCanceled {
		next = 1
	}
	if !c.claim(next, state) {
		panic("weir: Rearm for a Completion that its callback has submitted again")
	}
	return true
}
