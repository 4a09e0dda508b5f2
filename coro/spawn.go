package coro

import (
	"context"
	"fmt"
)

// Parent is where tasks are spawned: a [*Scheduler], which any goroutine may pass to [Spawn], or a
// [*Task], which only its own coroutine may pass. A parent waits for its children before it is over
// itself.
type Parent interface {
	spawn(t *Task, b body)
}

// Option is an option of [Spawn].
type Option interface{ apply(t *Task) }

// Name gives a task its name in reports, panics and StuckError.
type Name string

func (n Name) apply(t *Task) { t.name = string(n) }

// Handle is what [Spawn] returns. It waits for the result of a task, or detaches the task. Any
// goroutine may call its methods.
type Handle[T any] struct {
	task Task
	f    func(*Task) (T, error)
	v    T
}

// Spawn starts f as a task of p. It does not wait: f begins after the tasks that are ready. Every
// task is waited for, cancelled or detached. A Task as parent waits for its children when its
// function is over, and cancels them first if that failed. For tasks of a Scheduler,
// [Scheduler.Run] and [Scheduler.Close] do so. On a scheduler that has been closed the task is over
// at once, with [ErrClosed].
func Spawn[T any](p Parent, f func(t *Task) (T, error), options ...Option) *Handle[T] {
	mustFunction(f == nil)
	if p == nil {
		panic("coro: Spawn with a nil Parent")
	}
	h := &Handle[T]{f: f}
	for _, o := range options {
		o.apply(&h.task)
	}
	p.spawn(&h.task, h)
	return h
}

// mustFunction panics for a nil function, which would otherwise end another goroutine, or the loop,
// when it is called later.
func mustFunction(none bool) {
	if none {
		panic("coro: nil function")
	}
}

func (h *Handle[T]) run(t *Task) (err error) {
	f := h.f
	h.f = nil
	h.v, err = f(t)
	return err
}

func (s *Scheduler) spawn(t *Task, b body) {
	s.mustBeMade()
	t.setUp(s, b)
	t.values = s.o.Context
	if !s.enlist() {
		t.failed = ErrClosed
		t.endContext()
		t.become(stateDone)
		t.ended.Set()
		return
	}
	s.ask(t, askSpawn)
}

func (p *Task) spawn(t *Task, b body) {
	p.mineSurely()
	t.setUp(p.s, b)
	t.values, t.parent, t.born = p.values, p, p.scope
	p.s.begin(t, &p.family)
	if cause := p.cancelled(); cause != nil {
		t.cancel(cause)
	}
}

func (t *Task) setUp(s *Scheduler, b body) {
	t.s, t.body, t.scope = s, b, &t.own
	t.waiter.t, t.node.Value = t, t
}

// Wait waits until the task is over and returns the result of its function. If ctx ends first the
// error is its cause, and the task goes on. If the function panicked, Wait panics with a
// [*PanicError] that has the task's stack. If it ended by runtime.Goexit the error is [ErrGoexit].
// A coroutine passes its Task as ctx, or a context derived from it. It must be neither the task
// itself nor one of its children.
func (h *Handle[T]) Wait(ctx context.Context) (T, error) {
	h.mustBeMade()
	t := taskOf(ctx)
	for p := t; p != nil; p = p.parent {
		if p == &h.task {
			panic(fmt.Sprintf("coro: task %s waits for itself, or for a parent that waits for it", t.Name()))
		}
	}
	if err := h.task.ended.wait(ctx, t); err != nil {
		var zero T
		return zero, err
	}
	if p := h.task.seePanic(); p != nil {
		panic(p)
	}
	return h.v, h.task.failed
}

// Cancel asks for the end of the task and of its children, newest first. What the task waits for
// ends with [ErrCanceled], and so does every later wait. An operation that the kernel has begun
// ends when the kernel has ended it. Cancel does not wait for any of that. A task that does not
// wait is not interrupted.
func (h *Handle[T]) Cancel() {
	h.mustBeMade()
	h.task.s.ask(&h.task, askCancel)
}

// mustBeMade panics for a Handle that Spawn did not return.
func (h *Handle[T]) mustBeMade() {
	if h == nil || h.task.s == nil {
		panic("coro: use of a Handle that is nil or zero: Spawn makes them")
	}
}

// Detach lets the task go on without a parent. Its result is dropped, and a panic goes to
// [Options].OnPanic.
func (h *Handle[T]) Detach() {
	h.mustBeMade()
	h.task.detached.Store(true)
	h.task.s.ask(&h.task, askDetach)
}

// Over reports whether the task is over, so that [Handle.Wait] would not wait.
func (h *Handle[T]) Over() bool { return h.task.ended.IsSet() }

// Task returns the task, for use as a context and for its name.
func (h *Handle[T]) Task() *Task { return &h.task }
