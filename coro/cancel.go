package coro

import (
	"time"

	aiort "github.com/weirgo/weir/runtime"
)

// scope is a part of a task's run that can be cancelled by itself: the whole run, or what a Timeout
// bounds. A shield is a scope that cancellations of the scopes around it do not reach until it is
// over: neither the waits in it nor the children spawned in it. Scopes belong to the loop's thread.
type scope struct {
	up     *scope
	cause  error // not nil: cancelled
	shield bool
}

// within reports whether sc is of, or is nested in it with no shield between them.
func (sc *scope) within(of *scope) bool {
	for sc != of && sc != nil && !sc.shield {
		sc = sc.up
	}
	return sc == of
}

// cancelled returns why the task must not wait, or nil.
func (t *Task) cancelled() error {
	for sc := t.scope; sc != nil; sc = sc.up {
		if sc.cause != nil {
			return sc.cause
		}
		if sc.shield {
			return nil
		}
	}
	return nil
}

// cancelScope cancels what runs in a scope of t: the children that were spawned in it, newest
// first, and then what t itself waits for. A cancelled scope stays cancelled.
func (t *Task) cancelScope(sc *scope, cause error) {
	if sc.cause != nil || t.state == stateDone {
		return
	}
	sc.cause = cause
	t.cancelBorn(sc, cause)
	t.deliver()
}

// cancelBorn cancels the children of t that were spawned in sc, newest first.
func (t *Task) cancelBorn(sc *scope, cause error) {
	for c := t.youngest; c != nil; {
		older := c.older // c may end and leave the list
		if c.born.within(sc) {
			c.cancel(cause)
		}
		c = older
	}
}

// cancel cancels all of t. A child that does not wait learns of it from its next wait.
func (t *Task) cancel(cause error) {
	if cause == ErrTimeout {
		cause = ErrCanceled // it was the parent's time limit
	}
	t.endContext()
	t.cancelScope(&t.own, cause)
}

// deliver ends the wait of t if t has been cancelled. If t waits for an operation that the kernel
// has begun, deliver asks for its end, and t waits until the kernel has ended it.
func (t *Task) deliver() {
	if t.state != stateWaiting || t.waiting == nil || t.cancelled() == nil {
		return
	}
	w := t.waiting
	t.waiting = nil
	w.abort(t)
}

// Mask calls f and shields its waits, and the children that f spawns, from cancellation. It is for
// work that must be completed, such as a protocol's closing message. If the task was cancelled
// meanwhile, children that are not over when f returns are cancelled then. The task as a context
// may be done all the same; if that matters, pass on context.WithoutCancel of it.
func (t *Task) Mask(f func()) {
	mustFunction(f == nil)
	t.mineSurely()
	sc := &scope{up: t.scope, shield: true}
	t.scope = sc
	defer func() {
		t.scope, sc.shield = sc.up, false
		if cause := t.cancelled(); cause != nil {
			t.cancelBorn(sc, cause)
		}
	}()
	f()
}

// Timeout calls f and, if f is not over after d, cancels its waits and the children it spawned. If
// the time is over before f has returned, and f fails, the error is [ErrTimeout], whatever error f
// returned; if f succeeds all the same it is nil. With d <= 0 every wait in f fails.
func (t *Task) Timeout(d time.Duration, f func() error) (err error) {
	mustFunction(f == nil)
	t.mineSurely()
	sc := &timeoutScope{t: t, scope: scope{up: t.scope}}
	t.scope = &sc.scope
	if d <= 0 {
		t.cancelScope(&sc.scope, ErrTimeout)
	} else {
		sc.timer.Start(t.s.loop, d, sc.fire)
	}
	defer func() {
		sc.timer.Stop()
		t.scope = sc.up // children spawned in sc that go on are within sc.up
		if err != nil && sc.cause == ErrTimeout && t.cancelled() == nil {
			err = ErrTimeout
		}
	}()
	return f()
}

type timeoutScope struct {
	scope
	t     *Task
	timer aiort.Timer
}

func (sc *timeoutScope) fire(*aiort.Timer) aiort.Action {
	sc.t.cancelScope(&sc.scope, ErrTimeout)
	return aiort.Disarm
}
