package coro

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

// Errors of tasks, and of what they wait for.
var (
	// ErrCanceled: the task was cancelled, by its [Handle], its parent, its [Group], or a [Race]
	// that another task won. errors.Is(err, context.Canceled) holds.
	ErrCanceled error = &reason{"coro: task canceled", []error{context.Canceled}}

	// ErrTimeout: the time of a [Task.Timeout] was over. errors.Is(err, context.DeadlineExceeded)
	// and errors.Is(err, os.ErrDeadlineExceeded) hold, and it is a net.Error whose Timeout is true.
	ErrTimeout error = &timeout{reason{"coro: timeout", []error{context.DeadlineExceeded, os.ErrDeadlineExceeded}}}

	// ErrClosed: the [Scheduler], [Queue] or [Event] has been closed. errors.Is(err, net.ErrClosed)
	// holds.
	ErrClosed error = &reason{"coro: closed", []error{net.ErrClosed, os.ErrClosed}}

	// ErrGoexit: the task's function ended by runtime.Goexit, which t.FailNow of a test calls.
	ErrGoexit = errors.New("coro: task ended by runtime.Goexit")
)

// reason is an error that matches other errors too.
type reason struct {
	text string
	is   []error
}

func (r *reason) Error() string { return r.text }

func (r *reason) Is(target error) bool {
	for _, e := range r.is {
		if e == target {
			return true
		}
	}
	return false
}

type timeout struct{ reason }

func (*timeout) Timeout() bool   { return true }
func (*timeout) Temporary() bool { return true }

var _ net.Error = (*timeout)(nil)

// PanicError is a panic of a task. [Handle.Wait], [Scheduler.Run] and a parent panic with it,
// unless another caller has seen the panic. errors.Is and errors.As see through it if the value is
// an error.
type PanicError struct {
	Task  string // name of the task
	Value any    // argument of panic
	Stack []byte // stack of the task when it panicked
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("%v [in coroutine %s]\n\n%s", e.Value, e.Task, e.Stack)
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
