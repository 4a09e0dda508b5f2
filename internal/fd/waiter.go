package fd

import (
	"context"

	"github.com/weirgo/weir/internal/prefetch"
	aiort "github.com/weirgo/weir/runtime"
)

// Try makes a system call on a descriptor that does not wait. It returns a count, or the negated
// error number.
type Try func(fd int, p []byte) (res int)

// View is a coroutine's view, as other packages see it. It does not keep the view alive: a view
// that is dropped is collected, and with it the connection, unless that is in use elsewhere.
type View interface {
	// Detach ends the view: events of the descriptor no longer reach it.
	Detach()

	// Gone reports whether the view has been dropped, or its connection has been closed, so that
	// Detach is not needed.
	Gone() bool
}

// Waiter makes the calls of one coroutine wait. A coroutine is not a goroutine of its own: it
// shares a loop's thread with others, and a call that waits must let those run. Only that coroutine
// may call the methods.
type Waiter interface {
	// Loop returns the loop on whose thread the coroutine runs.
	Loop() *aiort.Loop

	// CheckCaller panics if the caller is not the coroutine, as far as that can be told. It returns
	// an error if the coroutine must not wait now, because it has been cancelled.
	CheckCaller() error

	// MayTry reports whether a call may make a system call that does not wait, to send or to
	// receive, before it goes to the loop. After some of them in a row it reports false, because
	// other coroutines wait for the thread.
	MayTry(send bool) bool

	// Yield lets the ready coroutines of the thread run first. If there are none it reports false
	// at once.
	Yield() bool

	// Retry lets the ready coroutines of the thread run first. Then the thread calls try, together
	// with the calls of other coroutines; Retry returns the result of try, a system call that does
	// not wait. If no other coroutine is ready it reports false at once, without a call. p, which
	// is not empty, belongs to try until Retry returns. then is what the caller touches first after
	// that, as a hint.
	Retry(try Try, fd int, p []byte, then [3]prefetch.Addr) (res int, ok bool)

	// Do is Loop.Do for the coroutine: the loop's thread runs other coroutines while the operation
	// is in flight. If the coroutine is cancelled, so is the operation.
	Do(ctx context.Context, c *aiort.Completion) error

	// Wait calls arm, and returns when the function that arm gets has been called, which any
	// goroutine may do, once. If the coroutine is cancelled or ctx ends first, Wait calls disarm,
	// which reports whether it has made sure that the function will not be called. If so the error
	// is the cause; otherwise the wait goes on. With a nil disarm neither ends the wait, and the
	// error is nil.
	Wait(ctx context.Context, arm func(wake func()), disarm func() bool) error
}

// MakeView returns a view of x, a connection, listener or file of package aio: a value of the same
// type and on the same descriptor, whose calls wait by w; and what must be detached when the view
// is no longer used. It returns nil for anything else. Package aio sets it, and package coro calls
// it for Task.Conn and its like. On systems on which package aio embeds the types of net and os, it
// returns nil for everything: a coroutine cannot wait for those without blocking its thread.
var MakeView = func(w Waiter, x any) (view any, of View) { return nil, nil }
