package coro

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/internal/prefetch"
	aiort "github.com/weirgo/weir/runtime"
)

// worker is a goroutine on which tasks run, one after the other. It runs on the loop's thread,
// whose lock Go's runtime hands over with the thread.
type worker struct {
	seat   seat // the seat that its goroutine begins in, and that ends with it
	sitter      // where its goroutine is parked while it has no task
	quit   bool // it must end when it is resumed

	s    *Scheduler
	task *Task // nil: idle
	self prefetch.Goroutine
	id   atomic.Uint64 // callerID of its goroutine
	goid atomic.Int64  // number of its goroutine in stack dumps, for the watchdog; 0: not asked for

	runner op.Runner // runs the task's lists of operations

	opDone  func(*aiort.Completion) aiort.Action // operationOver as a value, made once
	opsDone func(error)                          // operationsOver as a value, made once
	slept   func(*aiort.Timer) aiort.Action      // sleepOver as a value, made once
}

func newWorker(s *Scheduler) *worker {
	w := &worker{s: s}
	w.opDone, w.opsDone, w.slept = w.operationOver, w.operationsOver, w.sleepOver
	w.seat.init(w.main)
	w.at = &w.seat
	return w
}

// main runs tasks until it is dismissed.
func (w *worker) main() {
	defer w.end()
	s := w.s
	w.self.Here()
	w.arrive()
	if s.watched {
		w.goid.Store(goroutineID())
	}
	for !w.quit {
		w.run()
		s.finished = w.task
		s.change(&w.sitter, s.at)
	}
}

// end ends the worker's goroutine. The goroutine that is parked in its seat then goes on.
func (w *worker) end() {
	if v := recover(); v != nil { // not a task's panic: a fault of this package
		p := &PanicError{Value: v, Stack: debug.Stack()}
		if w.task != nil {
			p.Task = w.task.Name()
		}
		go panic(p) // ends the program; a panic on this goroutine would be passed to the one that goes on
		select {}
	}
	w.leave()
	if !w.quit {
		w.die()
		return
	}
	w.s.back = w.at != &w.seat // in that case another goroutine than the loop's goes on
}

// dismiss ends a worker that has no task. The loop's goroutine calls it.
func (s *Scheduler) dismiss(w *worker) {
	w.quit = true
	s.change(&s.sitter, w.at)
}

// run runs w.task to its end. It keeps a panic for the caller that waits. After Goexit, which a
// panic in a deferred function does not undo, the worker cannot run another task.
func (w *worker) run() {
	t := w.task
	t.self = w.self
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			t.panicked = &PanicError{Task: t.Name(), Value: v, Stack: debug.Stack()}
		} else {
			t.failed = ErrGoexit
		}
		t.finish()
	}()
	t.failed = t.body.run(t)
	returned = true
	t.finish()
}

// sleepOver is the callback of the timer of w's task.
func (w *worker) sleepOver(*aiort.Timer) aiort.Action {
	w.task.sleep.over = true
	w.s.makeReady(w.task)
	return aiort.Disarm
}

// die ends a worker whose goroutine is in Goexit. Goexit cannot be stopped, and iter.Pull passes it
// on to the goroutine that goes on then, or resumes that for no reason. So the goroutine stays in a
// deferred function until the next one that dies ends it. The loop's goroutine ends the last one at
// its own end.
func (w *worker) die() {
	s := w.s
	before := s.corpse
	s.corpse, s.finished = w, w.task
	w.task.worker = nil
	w.task.employer.Store(nil)
	defer w.rest()
	if before != nil {
		before.seat.end() // the caller is in Goexit itself: the line above runs next
	}
}

// rest parks the goroutine in its own seat, since that ends with it, until another goroutine ends
// it there.
func (w *worker) rest() {
	w.s.back = w.s.at != &w.seat // in that case another goroutine than the loop's is parked there
	w.s.change(&w.sitter, &w.seat)
}

// goroutineID returns the number by which stack dumps name the calling goroutine.
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
