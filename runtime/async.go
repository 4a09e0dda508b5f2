package runtime

import "github.com/weirgo/weir/backends"

// Async wakes a loop from any goroutine. Wake-ups coalesce: after one or more calls of
// [Async.Notify] the callback runs at least once.
type Async struct{ c Completion }

// Start makes l call f on its thread after each Notify, including one that came before Start. This
// goes on for as long as f returns [Rearm]. While started, the Async counts as an operation in
// flight, so [Loop.Run] with [UntilDone] waits for it; [Async.Stop] or [Disarm] ends it. The errors
// are those of [Loop.Submit].
func (a *Async) Start(l *Loop, f func(*Async) Action) error {
	if a.c.InFlight() {
		return ErrInFlight
	}
	if f == nil {
		return errNoFunction
	}
	a.c.Op = backends.Op{Code: backends.OpAsync}
	a.c.Callback = func(c *Completion) Action {
		if c.Err() != nil {
			return Disarm // stopped, or the loop is closing
		}
		return f(a)
	}
	return l.Submit(&a.c)
}

// Notify makes the callback run. Any goroutine may call it at any time; it does not block.
func (a *Async) Notify() {
	if !a.c.signal.Swap(true) {
		a.c.nudge()
	}
}

// Stop ends the Async without a further callback, unless one is already due. Any goroutine may call
// it.
func (a *Async) Stop() {
	if l := a.c.loop.Load(); l != nil {
		l.Cancel(&a.c)
	}
}
