package fd

import (
	"context"

	"github.com/weirgo/weir/internal/prefetch"
	aiort "github.com/weirgo/weir/runtime"
)

// Try makes a system call on a descriptor that does not wait. It returns a count, or the negated error number.
type Try func(fd int, p []byte) (res int)

// View is a view of a coroutine's, as far as others are concerned with it. It does not keep the
// view: one that is dropped is collected, and with it what it is a view of, unless that is kept
// otherwise.
type View interface {
	// Detach ends the view: what concerns the descriptor no longer reaches it.
	Detach()

	// Gone reports whether the view has been dropped, or what it is of has been closed, so that
	// Detach is not needed.
	Gone() bool
}

// Waiter is how the calls of one coroutine wait. A coroutine is not a goroutine of its own: it shares a loop's thread with
// others, and a call that waits must let those run. Its methods are for that coroutine alone.
type Waiter interface {
	// Loop is the loop on whose thread the coroutine runs.
	Loop() *aiort.Loop

	// CheckCaller panics if the caller is not the coroutine, as far as that can be told, and returns why the coroutine
	// must not wait now: it has been cancelled.
	CheckCaller() error

	// MayTry reports whether a call may make a system call that does not wait, to send or to receive, before it goes to the
	// loop. After some of them in a row it may not, since others wait for the thread.
	MayTry(send bool) bool

	// Yield lets the coroutines of the thread that are ready run first. It reports false at once if there are none.
	Yield() bool

	// Retry lets the coroutines of the thread that are ready run first, and then has the thread call try, which returns
	// what a system call that does not wait has brought, together with those of other coroutines. It reports false at
	// once, without a call, if nobody else is ready. p, which is not empty, is try's until Retry returns; then is what the
	// caller touches first when it does, as a hint.
	Retry(try Try, fd int, p []byte, then [3]prefetch.Addr) (res int, ok bool)

	// Do is Loop.Do for the coroutine: the loop's thread runs others while the operation is under way. When the
	// coroutine is cancelled, so is the operation.
	Do(ctx context.Context, c *aiort.Completion) error

	// Wait calls arm, and returns when the function it is given has been called, which any goroutine may do, once.
	// If the coroutine is cancelled or ctx ends first Wait calls disarm, which reports whether it has made sure that
	// the function will not be called; then the error is the cause, otherwise the wait goes on. With a nil disarm
	// neither ends the wait, and the error is nil.
	Wait(ctx context.Context, arm func(wake func()), disarm func() bool) error
}

// MakeView returns a view of x, a connection, listener or file of package aio: a value of the same type and on the same
// descriptor, whose calls wait in the way of w; and what is to be detached when the view is of no more use. It returns nil
// for anything else. Package aio sets it, and package coro calls it for Task.Conn and its like. On systems on which package
// aio embeds the types of net and os, it returns nil for all: what those wait for, a coroutine cannot wait for without its
// thread.
var MakeView = func(w Waiter, x any) (view any, of View) { return nil, nil }
