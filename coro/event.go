package coro

import (
	"context"
	"sync"
)

// Event is a flag to wait for. The zero value is ready and not set. Any goroutine and any coroutine
// may call its methods. The context of a method that waits follows the rule of this package: see
// [Task].
type Event struct {
	mu   sync.Mutex
	on   bool
	line line
}

// Set sets the flag and ends every wait.
func (e *Event) Set() { e.setHere(nil) }

// setHere is Set on the thread of the scheduler by, or on any if that is nil.
func (e *Event) setHere(by *Scheduler) {
	e.mu.Lock()
	e.on = true
	all := e.line.popAll()
	e.mu.Unlock()
	all.wake(by)
}

// Reset clears the flag: later calls of Wait wait.
func (e *Event) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.on = false
}

// IsSet reports whether the flag is set.
func (e *Event) IsSet() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.on
}

// Wait waits until the flag is set; a Reset after that does not matter. If ctx or the task ends
// first the error is the cause. It is nil if the flag is set already.
func (e *Event) Wait(ctx context.Context) error { return e.wait(ctx, taskOf(ctx)) }

func (e *Event) wait(ctx context.Context, t *Task) error {
	if e.IsSet() {
		return nil
	}
	if err := cause(ctx, t); err != nil {
		return err
	}
	w := newWaiter(t)
	defer w.free()
	e.mu.Lock()
	if e.on {
		e.mu.Unlock()
		return nil
	}
	e.line.push(w)
	e.mu.Unlock()
	return w.await(ctx, e)
}

func (e *Event) withdraw(w *waiter) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.line.remove(w)
}
