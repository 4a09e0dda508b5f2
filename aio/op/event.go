package op

import (
	"github.com/weirgo/weir/backends"
	aiort "github.com/weirgo/weir/runtime"
)

// Event is a counter of notifications that operations wait for: each Notify lets one EventWait
// pass, also one that comes later. It needs no descriptor and works alike on every system. The zero
// value is ready; it must not be copied. Any goroutine may call its methods, and operations of any
// loops may wait for it.
type Event struct{ e aiort.Event }

// Notify lets one EventWait pass: the one that waits longest, or the next to come. It reports false
// if the Event has been closed. It does not block.
func (e *Event) Notify() bool { return e.e.Notify() }

// TryWait takes a notification that is in store, and reports false if there is none. It does not
// block, and does not get past those who wait.
func (e *Event) TryWait() bool { return e.e.TryTake() }

// Close ends every EventWait, and every later one at once, with net.ErrClosed. It reports false if
// e was closed already.
func (e *Event) Close() bool { return e.e.Close() }

// EventWait waits for a notification of e, first come first served. If it is cancelled, and yet was
// let pass before, it has no error; no notification is lost. net.ErrClosed: e was closed.
func EventWait(e *Event) *Op { return event(backends.OpEventWait, e) }

// EventNotify is e.Notify as an operation, for chains. net.ErrClosed: e was closed.
func EventNotify(e *Event) *Op { return event(backends.OpEventNotify, e) }

// EventClose is e.Close as an operation.
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
