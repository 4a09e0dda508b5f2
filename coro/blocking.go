package coro

import (
	"context"
	"runtime/debug"

	aiort "github.com/weirgo/weir/runtime"
)

// Blocking calls f on the pool for blocking calls (whose size is a limit of the IO). Meanwhile the
// coroutine waits, and its thread runs others. If the task is cancelled before f has begun, f is
// not called and the error is the cause. If it is cancelled later, f's context ends, and Blocking
// still waits for f and returns its result. A panic of f is raised again in the coroutine, as a
// [*PanicError]. f is not part of the coroutine: it must not use the [Task] or its views, and its
// context is one for goroutines.
func Blocking[T any](t *Task, f func(ctx context.Context) (T, error)) (T, error) {
	mustFunction(f == nil)
	var v T
	var err error
	if e := t.blocking(func(ctx context.Context) { v, err = f(ctx) }); e != nil {
		return v, e
	}
	return v, err
}

// Blocking calls f on the pool for blocking calls: see the function [Blocking].
func (t *Task) Blocking(f func()) error {
	mustFunction(f == nil)
	return t.blocking(func(context.Context) { f() })
}

// blockingWait is a task's wait for a function on the pool.
type blockingWait struct {
	c        aiort.Completion
	cancel   context.CancelFunc
	panicked *PanicError
	goexit   bool
}

func (b *blockingWait) abort(t *Task) {
	b.cancel()
	t.op.abort(t)
}

func (t *Task) blocking(f func(ctx context.Context)) error {
	t.mine()
	if err := t.cancelled(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(outside{t.values})
	defer cancel()
	b := &blockingWait{cancel: cancel}
	b.c.Block(func() { b.run(t, ctx, f) })
	t.op.c = &b.c
	err := t.operate(b)
	t.op.c = nil
	if err == nil {
		err = b.c.Err()
	}
	switch {
	case b.panicked != nil:
		panic(b.panicked)
	case b.goexit:
		return ErrGoexit
	case err == aiort.ErrCanceled:
		return t.cancelled()
	}
	return err
}

// run is called by the pool's goroutine.
func (b *blockingWait) run(t *Task, ctx context.Context, f func(context.Context)) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			b.panicked = &PanicError{Task: t.Name(), Value: v, Stack: debug.Stack()}
		} else {
			b.goexit = true
		}
	}()
	f(ctx)
	returned = true
}

// outside is the context that a function outside of the coroutine gets: the task's context without
// the task.
type outside struct{ context.Context }
