// Package lane is what lets the types of package aio serve coroutines: how a call that must wait
// does so when the caller is not a goroutine of its own but shares a loop's thread with others.
package lane

import (
	"context"

	"github.com/weirgo/weir/internal/prefetch"
	aiort "github.com/weirgo/weir/runtime"
)

// Try makes a system call on a descriptor that does not wait. It returns a count, or the negated
// error number.
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

// Lane is how the calls of one coroutine wait. Its methods are for that coroutine alone.
type Lane interface {
	// Loop is the loop on whose thread the coroutine runs.
	Loop() *aiort.Loop

	// Enter panics if the caller is not the coroutine, as far as that can be told, and returns why
	// the coroutine must not wait now: it has been cancelled.
	Enter() error

	// Direct reports whether a call may make a system call that does not wait, to send or to
	// receive, before it goes to the loop. After some of them in a row it may not, since others
	// wait for the thread.
	Direct(send bool) bool

	// Yield lets the coroutines of the thread that are ready run first. It reports false at once if
	// there are none.
	Yield() bool

	// Retry lets the coroutines of the thread that are ready run first, and then has the thread
	// call try, which returns what a system call that does not wait has brought, together with
	// those of other coroutines. It reports false at once, without a call, if nobody else is ready.
	// p, which is not empty, is try's until Retry returns; then is what the caller touches first
	// when it does, as a hint.
	Retry(try Try, fd int, p []byte, then [3]prefetch.Addr) (res int, ok bool)

	// Do is Loop.Do for the coroutine: the loop's thread runs others while the operation is under
	// way. When the coroutine is cancelled, so is the operation.
	Do(ctx context.Context, c *aiort.Completion) error

	// Wait calls arm, and returns when the function it is given has been called, which any
	// goroutine may do, once. If the coroutine is cancelled or ctx ends first Wait calls disarm,
	// which reports whether it has made sure that the function will not be called; then the error
	// is the cause, otherwise the wait goes on. With a nil disarm neither ends the wait, and the
	// error is nil.
	Wait(ctx context.Context, arm func(wake func()), disarm func() bool) error
}
