package op

import (
	"github.com/weirgo/weir/backends"
	aiort "github.com/weirgo/weir/runtime"
)

// Event is a counting semaphore for operations: each [Event.Notify] lets one [EventWait] pass,
// including one that comes later. It needs no descriptor and works alike on every system. The zero
// value is ready, with a count of 0; an Event must not be copied. Any goroutine may call its
// methods, and operations of any loops may wait for it.
type Event struct{ e aiort.Event }

// Notify lets one [EventWait] pass: the one that has waited longest, or the next to come. It
// reports false if the Event has been closed. It does not block.
func (e *Event) Notify() bool { return e.e.Notify() }

// TryWait takes one from the count, and reports false if the count is 0. It does not block, and
// does not overtake operations that wait.
func (e *Event) TryWait() bool { return e.e.TryTake() }

// Close ends every [EventWait], and every later one at once, with net.ErrClosed. It reports false
// if e was closed already.
func (e *Event) Close() bool { return e.e.Close() }

// EventWait waits for a notification of e, first come first served. If it was let pass before a
// cancellation arrived, it has no error; no notification is lost. Errors: net.ErrClosed if e is
// closed.
func EventWait(e *Event) *Op { return event(backends.OpEventWait, e) }

// EventNotify is [Event.Notify] as an operation, for chains. Errors: net.ErrClosed if e is closed.
func EventNotify(e *Event) *Op { return event(backends.OpEventNotify, e) }

// EventClose is [Event.Close] as an operation.
func EventClose(e *Event) *Op { return event(backends.OpEventClose, e) }

func event(code backends.Code, e *Event) *Op {
	o := of(backends.Op{Code: code})
	if e == nil {
		o.invalid = errNil
		return o
	}
	o.c.At(&e.e)
	return o
}
