package coro

import (
	"iter"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/weirgo/weir/aio/op"
	aiort "github.com/weirgo/weir/runtime"
)

// worker is a coroutine of the Go runtime on which tasks run, one after the other. The loop's goroutine resumes it
// and it yields to the loop; both happen on the loop's thread, whose lock Go's runtime hands over.
type worker struct {
	s     *Scheduler
	task  *Task // nil: idle
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	goid  atomic.Int64 // of its goroutine, for the watchdog; 0: not asked for

	runner op.Runner // of the task's lists of operations

	opDone  func(*aiort.Completion) aiort.Action // operationOver, made once
	opsDone func(error)                          // operationsOver, made once
	slept   func(*aiort.Timer) aiort.Action      // sleepOver, made once
}

func newWorker(s *Scheduler) *worker {
	w := &worker{s: s}
	w.opDone, w.opsDone, w.slept = w.operationOver, w.operationsOver, w.sleepOver
	w.next, w.stop = iter.Pull(w.main)
	return w
}

// main runs tasks until it is stopped.
func (w *worker) main(yield func(struct{}) bool) {
	w.yield = yield
	if w.s.watched {
		w.goid.Store(goroutineID())
	}
	for {
		w.run()
		if !yield(struct{}{}) {
			return
		}
	}
}

// run runs w.task to its end. A panic is kept for whoever waits; after Goexit the worker is no more than a corpse.
func (w *worker) run() {
	t := w.task
	t.yield = w.yield
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		if v == nil {
			t.failed = ErrGoexit
			t.finish()
			w.die()
			return
		}
		t.panicked = &PanicError{Task: t.Name(), Value: v, Stack: debug.Stack()}
		t.finish()
	}()
	t.failed = t.body.run(t)
	returned = true
	t.finish()
}

// sleepOver is the callback of the timer of the task that w runs.
func (w *worker) sleepOver(*aiort.Timer) aiort.Action {
	w.task.sleep.over = true
	w.s.makeReady(w.task)
	return aiort.Disarm
}

// die ends a worker whose goroutine is in Goexit. That cannot be stopped, and would reach the loop's goroutine
// through iter.Pull, which hands Goexit on to whoever called next. So the goroutine stays where it is, in a deferred
// function, until another one that is dying too takes it along; the last one is taken along by the loop's goroutine at
// its own end.
func (w *worker) die() {
	before := w.s.corpse
	w.s.corpse = w
	w.task.worker = nil
	w.task.employer.Store(nil)
	defer w.yield(struct{}{}) // returns when w is stopped
	if before != nil {
		before.stop() // a Goexit of its own: the line above runs next
	}
}

// goroutineID is the number by which stack dumps name the calling goroutine.
func goroutineID() int64 {
	var buf [64]byte
	n := 0
	for _, c := range buf[len("goroutine "):runtime.Stack(buf[:], false)] {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return int64(n)
}
