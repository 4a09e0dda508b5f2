package coro

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/weirgo/weir/sched"
)

// This file says how tasks and goroutines wait.
//
// A task that waits is in state waiting. Its scheduler makes it ready when what it waits for is
// there. Code on the loop's thread does so at once; other threads use the inbox. For each wait
// exactly one caller makes the task ready: the one that took its waiter out of the queue. So a
// cancellation that finds the waiter gone does nothing: what the task waited for is on its way.

// aborter is what a task waits for, as seen by a cancellation: abort makes sure that the wait ends
// soon.
type aborter interface{ abort(t *Task) }

// wait parks t until it is made ready. The caller has made sure that it will be.
func (t *Task) wait(a aborter) {
	t.become(stateWaiting)
	t.waiting = a
	t.s.change(&t.sitter, t.s.successor(t))
	t.waiting = nil
}

// waiter is an entry in the queue of a Mutex, a Queue and so on. It belongs to a task or a
// goroutine, or to one case of its Select. The mutex of what it waits for guards it.
type waiter struct {
	next, prev *waiter
	in         *line
	handed     bool // it has got what it waited for

	task   *Task         // nil: it belongs to a goroutine
	parker *sched.Parker // parker of a goroutine
	sel    *selection    // nil: it waits for this only
	index  int           // index of the case in sel
	owner  any           // what w is part of, for queues that need it
	n      int64         // how much of it w wants, if that can differ
}

// selection is what the cases of one Select share.
type selection struct{ won atomic.Int32 } // 0: none yet; otherwise index of the case, plus 1

// claim reports whether w may be given what it waits for: only the first case of a Select may. The
// caller has taken w out of its queue.
func (w *waiter) claim() bool {
	return w.sel == nil || w.sel.won.CompareAndSwap(0, int32(w.index)+1)
}

// wake ends the wait of w, which has been claimed. here is the scheduler on whose thread the caller
// runs, nil if that is unknown. After wake w belongs to its owner again.
func (w *waiter) wake(here *Scheduler) {
	switch {
	case w.task == nil:
		w.parker.Unpark()
	case here == w.task.s:
		here.makeReady(w.task)
	default:
		w.task.s.ask(w.task, askWake)
	}
}

// line is a first-in first-out queue of waiters.
type line struct{ first, last *waiter }

func (l *line) push(w *waiter) {
	w.in, w.prev, w.next, w.handed = l, l.last, nil, false
	if l.last != nil {
		l.last.next = w
	} else {
		l.first = w
	}
	l.last = w
}

// remove takes w out, if it is in l.
func (l *line) remove(w *waiter) bool {
	if w.in != l {
		return false
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	w.in, w.prev, w.next = nil, nil, nil
	return true
}

// hasOther reports whether l has a waiter that does not belong to the selection of: the cases of
// one Select do not meet each other.
func (l *line) hasOther(of *selection) bool {
	for w := l.first; w != nil; w = w.next {
		if w.sel != of {
			return true
		}
	}
	return false
}

// pop takes out the first waiter that can be claimed, and marks it as having what it waited for. It
// returns nil if there is none.
func (l *line) pop() *waiter {
	for w := l.first; w != nil; w = l.first {
		l.remove(w)
		if w.claim() {
			w.handed = true
			return w
		}
	}
	return nil
}

// waitable is a thing that has queues of waiters. withdraw takes w out of its queue and reports
// whether it was in one.
type waitable interface{ withdraw(w *waiter) bool }

// syncWait is a task's wait in a line.
type syncWait struct {
	on waitable
	w  *waiter
}

func (s *syncWait) abort(t *Task) {
	if s.on.withdraw(s.w) {
		t.s.makeReady(t)
	}
}

// here returns the scheduler on whose thread t, the caller, runs; nil for a goroutine.
func here(t *Task) *Scheduler {
	if t == nil {
		return nil
	}
	return t.s
}

// taskOf returns the task that waits when a function of this package is called with ctx, or nil for
// a goroutine. If ctx is the Task itself, the caller says that it is its coroutine. A context
// derived from it may have reached a goroutine that the coroutine started, so taskOf checks that.
func taskOf(ctx context.Context) *Task {
	if t, ok := ctx.(*Task); ok {
		t.mine()
		return t
	}
	mustContext(ctx)
	if t, ok := ctx.Value(taskKey{}).(*Task); ok && t.s.current.Load() == t && t.isCaller() {
		return t
	}
	return nil
}

// mustContext panics for a nil context.
func mustContext(ctx context.Context) {
	if ctx == nil {
		panic("coro: nil context")
	}
}

// cause returns why a wait with ctx must not begin, or nil; t is taskOf(ctx).
func cause(ctx context.Context, t *Task) error {
	if t != nil {
		if err := t.cancelled(); err != nil || ctx == context.Context(t) {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// init prepares w for a wait of t, or of the calling goroutine if t is nil; release undoes it.
func (w *waiter) init(t *Task) {
	if w.task = t; t == nil {
		w.parker = sched.GetParker()
	}
}

// mayWait panics if t is nil, so that the caller waits as a goroutine, and the caller is on a
// loop's thread, which it would stop.
func mayWait(t *Task) {
	if t != nil {
		return
	}
	if s := schedulerOfCaller(); s != nil {
		panic(fmt.Sprintf("coro: a task of scheduler %s waits with a context that is not its own: give the function "+
			"the Task, or a context derived from it", s.o.Name))
	}
}

func (w *waiter) release() {
	if w.parker != nil {
		sched.PutParker(w.parker)
	}
	w.task, w.parker = nil, nil
}

var waiters = sync.Pool{New: func() any { return new(waiter) }}

// newWaiter returns a waiter for t, or for the calling goroutine if t is nil. The caller gives it
// back with free.
func newWaiter(t *Task) *waiter {
	mayWait(t)
	w := (*waiter)(nil)
	if t != nil {
		w = &t.w
	} else {
		w = waiters.Get().(*waiter)
	}
	w.init(t)
	return w
}

func (w *waiter) free() {
	t := w.task
	w.release()
	if t == nil {
		waiters.Put(w)
	}
}

// await waits until w, which is in a queue of on, has been woken, or ctx or the task is cancelled.
// The error is the cause; nil means that w has got what it waited for.
func (w *waiter) await(ctx context.Context, on waitable) error {
	if t := w.task; t != nil {
		stop := t.follow(ctx)
		t.sync = syncWait{on, w}
		t.wait(&t.sync)
		t.sync = syncWait{}
		t.unfollow(stop)
		if w.handed {
			return nil
		}
		return cause(ctx, t)
	}
	done := ctx.Done()
	if done == nil {
		w.parker.Park()
		return nil
	}
	if w.parker.ParkUntil(done) {
		return nil
	}
	if on.withdraw(w) {
		return context.Cause(ctx)
	}
	w.parker.Park()
	return nil
}

// follow makes the wait that t is about to begin end when ctx does. The caller ends that with
// unfollow.
func (t *Task) follow(ctx context.Context) (stop func() bool) {
	if ctx == context.Context(t) || ctx.Done() == nil {
		return nil
	}
	t.waits++
	wait := t.waits
	return context.AfterFunc(ctx, func() {
		for {
			old := t.watch.Load()
			if old >= wait || t.watch.CompareAndSwap(old, wait) {
				break
			}
		}
		t.s.ask(t, askContext)
	})
}

func (t *Task) unfollow(stop func() bool) {
	if stop != nil {
		stop()
		t.waits++ // a later notice belongs to no wait
	}
}

// contextEnded ends the wait of t if it is the one whose context has ended.
func (t *Task) contextEnded() {
	if t.state != stateWaiting || t.waiting == nil || t.watch.Load() != t.waits {
		return
	}
	w := t.waiting
	t.waiting = nil
	w.abort(t)
}

// popAll takes out all waiters that can be claimed, as a list.
func (l *line) popAll() (all chain) {
	last := &all.first
	for w := l.pop(); w != nil; w = l.pop() {
		*last = w
		last = &w.next
	}
	return all
}

// chain is a list of waiters that have been claimed and must be woken.
type chain struct{ first *waiter }

// wake wakes all of them, after the mutex of their queue has been unlocked.
func (c chain) wake(here *Scheduler) {
	for w := c.first; w != nil; {
		next := w.next
		w.next = nil
		w.wake(here)
		w = next
	}
}
