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
	seat   seat // in which its goroutine begins, and which ends with it
	sitter      // while it has no task
	quit   bool // it is to end when it is set going

	s    *Scheduler
	task *Task // nil: idle
	self prefetch.Goroutine
	id   atomic.Uint64 // of its goroutine: see callerID
	goid atomic.Int64  // the same as stack dumps have it, for the watchdog; 0: not asked for

	runner op.Runner // of the task's lists of operations

	opDone  func(*aiort.Completion) aiort.Action // operationOver, made once
	opsDone func(error)                          // operationsOver, made once
	slept   func(*aiort.Timer) aiort.Action      // sleepOver, made once
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

// end is the end of the worker's goroutine. Who sits in its seat goes on then.
func (w *worker) end() {
	if v := recover(); v != nil { // not a task's: an error of this package
		p := &PanicError{Value: v, Stack: debug.Stack()}
		if w.task != nil {
			p.Task = w.task.Name()
		}
		go panic(p) // ends the program, where one of the goroutine's own would be handed to whoever goes on
		select {}
	}
	w.leave()
	if !w.quit {
		w.die()
		return
	}
	w.s.back = w.at != &w.seat // then it is not the loop's goroutine that goes on
}

// dismiss ends a worker that has no task. It is for the loop's goroutine.
func (s *Scheduler) dismiss(w *worker) {
	w.quit = true
	s.change(&s.sitter, w.at)
}

// run runs w.task to its end. A panic is kept for whoever waits. After Goexit, which a panic in a
// deferred function does not undo, the worker is no more than a corpse.
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

// sleepOver is the callback of the timer of the task that w runs.
func (w *worker) sleepOver(*aiort.Timer) aiort.Action {
	w.task.sleep.over = true
	w.s.makeReady(w.task)
	return aiort.Disarm
}

// die ends a worker whose goroutine is in Goexit. That cannot be stopped, and iter.Pull hands it on
// to whoever goes on then, or has him go on for no reason. So the goroutine stays where it is, in a
// deferred function, until another one that is dying too takes it along; the last one is taken
// along by the loop's goroutine at its own end.
func (w *worker) die() {
	s := w.s
	before := s.corpse
	s.corpse, s.finished = w, w.task
	w.task.worker = nil
	w.task.employer.Store(nil)
	defer w.rest()
	if before != nil {
		before.seat.end() // a Goexit of its own: the line above runs next
	}
}

// rest parks the goroutine in its own seat, since that ends with it, until somebody ends it there.
func (w *worker) rest() {
	w.s.back = w.s.at != &w.seat // then it is not the loop's goroutine that sits there
	w.s.change(&w.sitter, &w.seat)
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
