package coro

import (
	"sync"

	"github.com/weirgo/weir/internal/prefetch"
	"github.com/weirgo/weir/internal/sys"
)

// Which code is calling: that of a task, of a scheduler's loop, or a goroutine that has nothing to
// do with any. It is told by the goroutine, since those that run tasks run nothing else: by the
// runtime's record of it (amd64, arm64), or else by its number, which takes some microseconds to
// get. On Linux the thread tells as well and takes less.

// callerID returns a number that the goroutines of a scheduler have, and nothing else that lives.
func callerID() uint64 {
	if id := prefetch.Self(); id != 0 {
		return id
	}
	if threadsKnown {
		return uint64(sys.ThreadID())
	}
	return uint64(goroutineID())
}

// callers are the schedulers by what callerID returns on their goroutines.
var callers sync.Map

// schedulerOfCaller returns the scheduler on whose thread the caller is, or nil.
func schedulerOfCaller() *Scheduler {
	s, _ := callers.Load(callerID())
	of, _ := s.(*Scheduler)
	return of
}

// arrive notes that the calling goroutine is the worker's, until it leaves.
func (w *worker) arrive() {
	id := callerID()
	w.id.Store(id)
	if id != w.s.id { // else it is the thread that tells
		callers.Store(id, w.s)
	}
}

// leave is for the end of the worker's goroutine, whose number another one may have next.
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
