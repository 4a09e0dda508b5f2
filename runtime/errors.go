package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// Errors of operations and loops. The text says what to do if there is something to do.
var (
	// ErrClosed: the Loop or the Runtime has been closed. errors.Is(err, net.ErrClosed) holds too.
	ErrClosed error = closedError{}

	// ErrCanceled: the operation was cancelled before it did anything. errors.Is(err,
	// context.Canceled) holds.
	ErrCanceled error = canceledError{}

	// ErrInFlight: the Completion has been submitted and its last callback has not run yet. The
	// operation in flight is unaffected.
	ErrInFlight = errors.New("weir: an operation was submitted again while it is in flight")

	// ErrOtherLoop: a Completion belongs to the loop it was first submitted to.
	ErrOtherLoop = errors.New("weir: an operation was submitted to a second loop")

	// ErrBusy: the loop has as many operations in flight as [Options].MaxInFlight allows, and the
	// caller cannot wait for one to finish.
	ErrBusy = errors.New("weir: too many operations in flight (Options.MaxInFlight)")

	// ErrSkipped: the operation was not started, because the one it is linked to failed.
	ErrSkipped = errors.New("weir: not started: an earlier operation of the chain failed")

	// ErrShort: the operation was not started, because the one it is linked to moved less than it
	// was asked to. errors.Is(err, [ErrSkipped]) holds too.
	ErrShort error = shortError{}

	// ErrRunning: Run was called while the loop is running, from a callback or from another
	// goroutine.
	ErrRunning = errors.New("weir: the loop is already running")

	// ErrWrongThread: the loop belongs to the goroutine that called Run first.
	ErrWrongThread = errors.New("weir: the loop belongs to the goroutine that called Run first")
)

type shortError struct{}

func (shortError) Error() string {
	return "weir: not started: an earlier operation of the chain moved less than it was asked to"
}
func (shortError) Is(target error) bool { return target == ErrSkipped }

type closedError struct{}

func (closedError) Error() string        { return "weir: runtime closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed || target == fs.ErrClosed }

type canceledError struct{}

func (canceledError) Error() string        { return "operation was canceled" }
func (canceledError) Is(target error) bool { return target == context.Canceled }

// StuckError lists what was still in flight when the context of a [Runtime.Shutdown] ended. The
// operations go on: their memory stays referenced and their callers stay blocked until the kernel
// completes them. A later Shutdown or Close waits for them again.
type StuckError struct {
	Ops   []StuckOp
	Cause error // the context's
}

// StuckOp is one operation that has not come back.
type StuckOp struct {
	ID   backends.ID
	Code backends.Code
	FD   int
}

func (e *StuckError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "weir: shutdown: %d operations did not end in time:", len(e.Ops))
	for i, op := range e.Ops {
		if i == 8 {
			fmt.Fprintf(&b, " and %d more", len(e.Ops)-i)
			break
		}
		fmt.Fprintf(&b, " %s on fd %d (%s);", op.Code, op.FD, op.ID)
	}
	return strings.TrimSuffix(b.String(), ";")
}

// Unwrap returns the context's error.
func (e *StuckError) Unwrap() error { return e.Cause }

// errnoOf returns the errno of a result, 0 for a success.
func errnoOf(res int32) sys.Errno {
	if res >= 0 {
		return 0
	}
	return sys.Errno(-res)
}
