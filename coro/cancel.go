package coro

import (
	"time"

	aiort "github.com/weirgo/weir/runtime"
)

// scope is a part of a task's run that can be cancelled by itself: the whole, or what a Timeout
// bounds. A shield is one that cancellations of those around it do not reach, neither what waits in
// it nor the children spawned there, until it is over. Scopes belong to the loop's thread.
type scope struct {
	up     *scope
	cause  error // not nil: cancelled
	shield bool
}

// within reports whether sc is of, or lies in it with no shield between them.
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
// first, and then what t itself waits for. What has been cancelled stays so.
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

// cancel cancels all of t. A child that does not look for it learns from its next wait.
func (t *Task) cancel(cause error) {
	if cause == ErrTimeout {
		cause = ErrCanceled // the time was its parent's
	}
	t.endContext()
	t.cancelScope(&t.own, cause)
}

// deliver ends the wait that t is in, if it has been cancelled. An operation that the kernel holds
// is asked to stop and waited for; nothing can cut that short.
func (t *Task) deliver() {
	if t.state != stateWaiting || t.waiting == nil || t.cancelled() == nil {
		return
	}
	w := t.waiting
	t.waiting = nil
	w.abort(t)
}

// Mask calls f, whose waits no cancellation from outside ends, nor that of children that f spawns:
// for what must be done to the end, like saying goodbye to a peer. Children that are not over when
// f has returned are cancelled then, if the task was meanwhile. The task as a context may be done
// all the same; pass on context.WithoutCancel of it where that matters.
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

// Timeout calls f and cancels its waits, and the children it spawns, when it is not over after d.
// If the time is over before f has returned, and f fails, the error is ErrTimeout, whatever f says;
// if f succeeds all the same, it is nil. With d <= 0 every wait in f fails.
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
		t.scope = sc.up // of which the children are that were spawned in it and go on
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
