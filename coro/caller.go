package coro

import (
	"sync"

	"github.com/weirgo/weir/internal/prefetch"
	"github.com/weirgo/weir/internal/sys"
)

// This file tells which code is calling: a task, a scheduler's loop, or an unrelated goroutine. The
// goroutine tells, because goroutines that run tasks run nothing else. It is identified by the
// runtime's record of it (amd64, arm64), or else by its number, which takes some microseconds to
// get. On Linux the thread identifies it as well, and takes less time.

// callerID returns a number that only the goroutines of one scheduler have.
func callerID() uint64 {
	if id := prefetch.Self(); id != 0 {
		return id
	}
	if threadsKnown {
		return uint64(sys.ThreadID())
	}
	return uint64(goroutineID())
}

// callers maps what callerID returns on the goroutines of schedulers to those schedulers.
var callers sync.Map

// schedulerOfCaller returns the scheduler on whose thread the caller is, or nil.
func schedulerOfCaller() *Scheduler {
	s, _ := callers.Load(callerID())
	of, _ := s.(*Scheduler)
	return of
}

// arrive registers the calling goroutine as the worker's, until leave.
func (w *worker) arrive() {
	id := callerID()
	w.id.Store(id)
	if id != w.s.id { // otherwise the thread identifies it
		callers.Store(id, w.s)
	}
}

// leave unregisters the worker's goroutine at its end. Its number may be reused.
func (w *worker) leave() {
	if id := w.id.Load(); id != w.s.id {
		callers.Delete(id)
	}
}

// isCaller reports whether the caller is the coroutine of t.
func (t *Task) isCaller() bool {
	w := t.employer.Load()
	return w != nil && w.id.Load() == callerID()
}
