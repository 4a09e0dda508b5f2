package runtime

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/weirgo/weir/internal/sys"
)

// A tick may run on any goroutine, and holds the loop's lock. So a panic in it must neither unwind
// that goroutine nor leave the lock held. The loop is lost instead: its operations end with an
// error that says why, and everything else goes on. A panic goes on only on the goroutine that owns
// a loop made by NewLoop.

// owned reports whether the loop belongs to the goroutine that runs it rather than to a Runtime.
func (l *Loop) owned() bool { return l.known == nil }

// catch is deferred by a tick.
func (l *Loop) catch() {
	if l.firing && l.owned() {
		return // the owner's callback
	}
	v := recover()
	switch {
	case v == nil:
	case l.firing:
		l.report(v)
	default:
		l.lose(fmt.Errorf("weir: the loop has ended after a fault in it: %v", v))
		l.abandon()
		l.sched.more.Store(true) // another tick continues with the rest
		if l.owned() {
			panic(v)
		}
		l.report(v)
	}
}

// survive is deferred by functions that run callbacks.
func (l *Loop) survive() {
	if l.owned() {
		return
	}
	if v := recover(); v != nil {
		l.report(v)
	}
}

// report logs a panic that has been caught.
func (l *Loop) report(v any) {
	to := l.logger
	if to == nil {
		to = slog.Default()
	}
	to.Error("weir: panic on a loop", slog.Any("panic", v), slog.String("stack", stack()))
}

// abandon ends the operation that the tick that panicked was working at and may have left half way.
func (l *Loop) abandon() {
	l.linked = slices.DeleteFunc(l.linked, func(c *Completion) bool { return c == nil })
	c := l.at
	if l.at = nil; c == nil {
		return
	}
	b := c.batch.Load()
	if b == nil {
		ended := func(o outcome) bool { return o.c == c && !o.more }
		if c.id == 0 && c.state() == stateStarted && !slices.ContainsFunc(l.done, ended) {
			c.cause = causeLost
			l.done = append(l.done, outcome{c: c, res: -int32(sys.ECANCELED)})
		}
		return
	}
	if b.left == 0 {
		return
	}
	for _, m := range b.ops {
		if s := l.slots.lookup(m.id); s != nil {
			s.c = &gone
			l.forget(m)
		}
		m.id, m.cause, m.res = 0, causeLost, -int32(sys.ECANCELED)
	}
	l.linked = slices.DeleteFunc(l.linked, func(c *Completion) bool { return c.batch.Load() == b })
	b.left = 0
	l.done = append(l.done, outcome{c: &b.head})
}

var errGoexit = errors.New("weir: the loop has ended: a callback has called runtime.Goexit")

// overwritten is the text of the panic for a Completion that was overwritten in flight.
func overwritten(s *slot) string {
	return fmt.Sprintf("weir: a Completion was overwritten while its operation (%s on fd %d) was in flight", s.rec.Code,
		s.rec.FD)
}
