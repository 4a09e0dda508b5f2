package coro

import (
	"context"
	"fmt"
)

// Parent is where tasks are spawned: a *Scheduler, which any goroutine may give to Spawn, or a
// *Task, which its own coroutine may. A child's parent waits for it before it is over itself.
type Parent interface {
	spawn(t *Task, b body)
}

// Option is for Spawn.
type Option interface{ apply(t *Task) }

// Name gives a task its name in reports, panics and StuckError.
type Name string

func (n Name) apply(t *Task) { t.name = string(n) }

// Handle is what Spawn returns: it waits for the result of a task, or does without. Any goroutine
// may call its methods.
type Handle[T any] struct {
	task Task
	f    func(*Task) (T, error)
	v    T
}

// Spawn starts f as a task of p. It does not wait: f begins when the tasks that are ready have had
// their turn. Every task is waited for, cancelled or detached: a Task as parent waits for its
// children when its function is over, and cancels them if that failed; Run and Close do so for
// those of a Scheduler. On a scheduler that has been closed the task is over at once, with
// ErrClosed.
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

// mustFunction refuses a function that is nil: called later it would end another goroutine, or the
// loop.
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
	t.lane.t, t.node.Value = t, t
}

// Wait waits until the task is over, or ctx ends: then the error is its cause, and the task goes
// on. Otherwise it returns what the task's function did. If that panicked, Wait panics with a
// *PanicError that has the task's stack; if it ended by runtime.Goexit, the error is ErrGoexit. A
// coroutine gives its Task as ctx, or a context derived from it, and must be neither the task
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

// Cancel asks for the end of the task. What it waits for ends with ErrCanceled, operations that the
// kernel has begun when the kernel lets go of them; so does every later wait; and so it is with its
// children, newest first. It does not wait for any of that, and nothing but the task's own function
// ends it.
func (h *Handle[T]) Cancel() {
	h.mustBeMade()
	h.task.s.ask(&h.task, askCancel)
}

// mustBeMade refuses a Handle that Spawn has not returned.
func (h *Handle[T]) mustBeMade() {
	if h == nil || h.task.s == nil {
		panic("coro: use of a Handle that is nil or zero: Spawn makes them")
	}
}

// Detach has the task go on without anybody to wait for it: it has no parent any more, its result
// is dropped, and a panic goes to Options.OnPanic.
func (h *Handle[T]) Detach() {
	h.mustBeMade()
	h.task.detached.Store(true)
	h.task.s.ask(&h.task, askDetach)
}

// Over reports whether the task is over, so that Wait would not wait.
func (h *Handle[T]) Over() bool { return h.task.ended.IsSet() }

// Task returns the task as a context and for its name.
func (h *Handle[T]) Task() *Task { return &h.task }
