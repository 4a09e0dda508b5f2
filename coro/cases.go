package coro

import (
	"context"
	"slices"
	"time"

	"github.com/weirgo/weir/aio/op"
	aiort "github.com/weirgo/weir/runtime"
)

// never is the case of a nil Queue, Event, Handle or context.
type never struct{}

func (never) try(*Task) bool                    { return false }
func (never) enter(*Task, *waiter) (again bool) { return false }
func (never) leave(*Task, *waiter)              {}
func (never) end(*Task)                         {}

// place is where a case that has state while it waits records its waiter. If a Select lists such a
// case twice, it is queued once: the second could not happen first.
type place struct{ w *waiter }

// free panics if another Select waits with the case. A case is not queued while its own Select
// tries it.
func (p *place) free() {
	if p.w != nil {
		panic("coro: a Select with a Case that another one waits with")
	}
}

func (p *place) take(w *waiter) bool {
	if p.w != nil {
		return false
	}
	p.w = w
	return true
}

// RecvFrom is the case of a Recv from q into *v. If v is nil the value is dropped. *ok says whether
// there was a value: it is false if q is closed and empty. ok may be nil.
func RecvFrom[T any](q *Queue[T], v *T, ok *bool) Case {
	if q == nil {
		return never{}
	}
	if v == nil {
		v = new(T)
	}
	return &recvCase[T]{q: q, v: v, ok: ok}
}

type recvCase[T any] struct {
	place
	q  *Queue[T]
	v  *T
	ok *bool
	it item[T]
}

func (c *recvCase[T]) try(t *Task) bool {
	c.free()
	c.q.mu.Lock()
	done, err := c.q.tryRecv(c.v, here(t))
	if !done {
		c.q.mu.Unlock()
		return false
	}
	c.say(err == nil)
	return true
}

func (c *recvCase[T]) enter(t *Task, w *waiter) (again bool) {
	q := c.q
	if !c.take(w) {
		return false
	}
	q.mu.Lock()
	if q.n > 0 || q.closed || q.senders.hasOther(w.sel) {
		q.mu.Unlock()
		return true
	}
	c.it = item[T]{}
	w.owner = &c.it
	q.receivers.push(w)
	q.mu.Unlock()
	return false
}

func (c *recvCase[T]) leave(_ *Task, w *waiter) {
	c.w = nil
	if w.owner == nil || c.q.withdraw(w) || !w.handed {
		return
	}
	if c.it.ok {
		*c.v = c.it.v
	}
	c.say(c.it.ok)
}

func (c *recvCase[T]) end(*Task) {}

func (c *recvCase[T]) say(ok bool) {
	if c.ok != nil {
		*c.ok = ok
	}
}

// SendTo is the case of a Send of v to q. *ok says whether v was sent: it is false if q is closed.
// ok may be nil.
func SendTo[T any](q *Queue[T], v T, ok *bool) Case {
	if q == nil {
		return never{}
	}
	return &sendCase[T]{q: q, v: v, ok: ok}
}

type sendCase[T any] struct {
	place
	q  *Queue[T]
	v  T
	ok *bool
	it item[T]
}

func (c *sendCase[T]) try(t *Task) bool {
	c.free()
	c.q.mu.Lock()
	done, err := c.q.trySend(c.v, here(t))
	if !done {
		c.q.mu.Unlock()
		return false
	}
	c.say(err == nil)
	return true
}

func (c *sendCase[T]) enter(t *Task, w *waiter) (again bool) {
	q := c.q
	if !c.take(w) {
		return false
	}
	q.mu.Lock()
	if q.closed || q.n < len(q.buf) || q.receivers.hasOther(w.sel) {
		q.mu.Unlock()
		return true
	}
	c.it = item[T]{v: c.v}
	w.owner = &c.it
	q.senders.push(w)
	q.mu.Unlock()
	return false
}

func (c *sendCase[T]) leave(_ *Task, w *waiter) {
	c.w = nil
	if w.owner != nil && !c.q.withdraw(w) && w.handed {
		c.say(c.it.ok)
	}
}

func (c *sendCase[T]) end(*Task) {}

func (c *sendCase[T]) say(ok bool) {
	if c.ok != nil {
		*c.ok = ok
	}
}

// IsSet is the case that an event is set.
func IsSet(e *Event) Case {
	if e == nil {
		return never{}
	}
	return eventCase{e}
}

// Ended is the case that a task is over, so that its Wait does not wait.
func Ended[T any](h *Handle[T]) Case {
	if h == nil {
		return never{}
	}
	return eventCase{&h.task.ended}
}

type eventCase struct{ e *Event }

func (c eventCase) try(*Task) bool { return c.e.IsSet() }

func (c eventCase) enter(_ *Task, w *waiter) (again bool) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.e.on {
		return true
	}
	c.e.line.push(w)
	return false
}

func (c eventCase) end(*Task) {}

func (c eventCase) leave(_ *Task, w *waiter) { c.e.withdraw(w) }

// After is the case that d has passed since the Select began to wait.
func After(d time.Duration) Case { return &afterCase{d: d} }

type afterCase struct {
	place
	d     time.Duration
	until time.Time   // set when the case was first entered
	timer aiort.Timer // used by a coroutine
	std   *time.Timer // used by a goroutine
}

func (c *afterCase) try(*Task) bool {
	c.free()
	return c.d <= 0 || !c.until.IsZero() && time.Until(c.until) <= 0
}

func (c *afterCase) enter(t *Task, w *waiter) (again bool) {
	if !c.take(w) {
		return false
	}
	if c.until.IsZero() {
		c.until = time.Now().Add(c.d)
	}
	left := time.Until(c.until)
	if t == nil {
		c.std = time.AfterFunc(left, func() {
			if w.claim() {
				w.wake(nil)
			}
		})
		return false
	}
	c.timer.Start(t.s.loop, left, func(*aiort.Timer) aiort.Action {
		if w.claim() {
			w.wake(t.s)
		}
		return aiort.Disarm
	})
	return false
}

func (c *afterCase) end(*Task) {
	if c.w == nil { // otherwise it belongs to another Select
		c.until = time.Time{}
	}
}

func (c *afterCase) leave(t *Task, _ *waiter) {
	c.w = nil
	if t == nil {
		c.std.Stop()
		return
	}
	c.timer.Stop()
}

// DoneOf is the case that a context is done.
func DoneOf(ctx context.Context) Case {
	if ctx == nil {
		return never{}
	}
	return &contextCase{ctx: ctx}
}

type contextCase struct {
	place
	ctx  context.Context
	stop func() bool
}

func (c *contextCase) try(*Task) bool {
	c.free()
	return c.ctx.Err() != nil
}

func (c *contextCase) enter(_ *Task, w *waiter) (again bool) {
	if !c.take(w) {
		return false
	}
	c.stop = context.AfterFunc(c.ctx, func() {
		if w.claim() {
			w.wake(nil)
		}
	})
	return false
}

func (c *contextCase) end(*Task) {}

func (c *contextCase) leave(*Task, *waiter) {
	c.w = nil
	c.stop()
}

// Done is the case that operations are over: see [Task.Do], whose error goes to *err; err may be
// nil. If another case happens, Select cancels the operations and waits for their end. They may
// have been done all the same: they and *err say so. It is for coroutines: the Select of a
// goroutine panics. Done copies the list.
func Done(err *error, ops ...*op.Op) Case { return &opCase{err: err, ops: slices.Clone(ops)} }

type opCase struct {
	place
	err *error
	ops []*op.Op
	h   *Handle[struct{}] // handle of the task that waits for them
}

func (c *opCase) try(t *Task) bool {
	if t == nil {
		panic("coro: Select with operations by a goroutine")
	}
	c.free()
	return c.h != nil && c.h.Over()
}

func (c *opCase) enter(t *Task, w *waiter) (again bool) {
	if !c.take(w) {
		return false
	}
	if c.h == nil {
		c.h = Spawn(t, func(t *Task) (struct{}, error) { return struct{}{}, t.Do(c.ops...) }, Name("operations"))
	}
	return eventCase{&c.h.task.ended}.enter(t, w)
}

func (c *opCase) leave(_ *Task, w *waiter) {
	c.w = nil
	c.h.task.ended.withdraw(w)
}

func (c *opCase) end(t *Task) {
	h := c.h
	if h == nil || c.w != nil { // c.w set: it belongs to another Select
		return
	}
	c.h = nil
	if !h.Over() {
		h.task.cancel(ErrCanceled)
		t.Mask(func() { h.task.ended.wait(t, t) })
	}
	if c.err != nil {
		*c.err = h.task.failed
	}
}
