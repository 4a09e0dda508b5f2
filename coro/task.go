package coro

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/prefetch"
	aiort "github.com/weirgo/weir/runtime"
	"github.com/weirgo/weir/sched"
)

// Task is a coroutine, and the handle by which its own code waits: the function given to [Spawn]
// gets it. Its methods are for that function, on its own stack. When other code calls them they
// panic, as far as they can tell (see [Options].Check). Methods that any goroutine may call say so.
//
// A Task is a context.Context: it is done when the task is cancelled or over. A coroutine that
// calls a function of this package that takes a context must pass the Task, or a context derived
// from it: that tells the function not to block the thread. Any goroutine may use a Task as a
// context.
type Task struct {
	s *Scheduler

	// The fields below belong to the loop's thread. Those that each call of a view needs come first
	// and together: with many tasks none of them is in the processor's caches any more when a task
	// runs again.
	state  state
	direct uint8  // number of system calls made for the views since it was resumed
	turn   uint32 // number of the turn in which it last ran, for snapshots: see Scheduler.run
	sitter        // where its goroutine is parked while it has a worker
	waiter taskWaiter
	scope  *scope
	own    scope              // the outermost scope
	place  prefetch.Goroutine // where it has parked
	self   prefetch.Goroutine // the worker's goroutine
	retry  retry

	worker   *worker
	next     *Task // in the queue of tasks that are about to submit
	before   *Task // in the same queue
	waiting  aborter
	family          // its children
	kin             // its position among the parent's children
	waits    uint64 // number of waits with a context
	op       opWait
	sync     syncWait
	w        waiter
	sleep    sleep
	views    views
	group    *Group
	failed   error
	panicked *PanicError

	// The fields below never change.
	name   string
	body   body
	values context.Context

	// The fields below belong to all threads.
	node     sched.Node[Task]
	asks     atomic.Uint32
	mark     uint32                 // its number in snapshots; belongs to the loop's thread
	employer atomic.Pointer[worker] // the worker, as the watchdog sees it
	reported atomic.Bool            // it has been reported as a hog
	detached atomic.Bool            // its result will not be waited for
	watch    atomic.Uint64          // number of the wait whose context has ended
	ended    Event

	mu       sync.Mutex // guards the fields below
	err      error      // error of the context: set once
	done     chan struct{}
	after    map[*func()]struct{}
	observed bool // the panic has been seen
}

// body is what a task runs: a Handle, which keeps the result.
type body interface{ run(t *Task) error }

// Name returns the task's name: see the option [Name]. Any goroutine may call it.
func (t *Task) Name() string {
	if t.name == "" {
		return fmt.Sprintf("%p", t)
	}
	return t.name
}

// Scheduler returns the scheduler that the task belongs to. Any goroutine may call it.
func (t *Task) Scheduler() *Scheduler { return t.s }

// mine panics if the caller is not the task's own code.
func (t *Task) mine() {
	if t == nil || t.s == nil || t.s.current.Load() != t || t.s.check && !t.isCaller() || !t.self.IsCaller() {
		t.notMine()
	}
}

// mineSurely is mine for a caller that is about to change what belongs to the loop's thread without
// a switch, in which Go's runtime would detect a misuse.
func (t *Task) mineSurely() {
	if t.mine(); !t.s.check && !t.isCaller() {
		t.notMine()
	}
}

func (t *Task) notMine() {
	if t == nil || t.s == nil {
		panic("coro: use of a Task that is nil or zero: Spawn makes them")
	}
	panic(fmt.Sprintf("coro: task %s, or a view that belongs to it, used from outside its coroutine", t.Name()))
}

// Yield lets the other ready tasks run first. It returns nil, or the reason why the task must not
// go on waiting: see [Handle.Cancel].
func (t *Task) Yield() error {
	t.mine()
	t.giveWay()
	return t.cancelled()
}

// giveWay parks t behind the ready tasks.
func (t *Task) giveWay() {
	t.s.makeReady(t)
	t.s.change(&t.sitter, t.s.successor(t))
}

// Sleep waits for d. If the task is cancelled first it returns the cause. With d <= 0 it is a
// [Task.Yield].
func (t *Task) Sleep(d time.Duration) error {
	t.mineSurely()
	if d <= 0 {
		return t.Yield()
	}
	if err := t.cancelled(); err != nil {
		return err
	}
	t.sleep.over = false
	t.sleep.timer.Start(t.s.loop, d, t.worker.slept)
	t.wait(&t.sleep)
	if t.sleep.over {
		return nil
	}
	return t.cancelled()
}

// sleep is the wait of a Sleep.
type sleep struct {
	timer aiort.Timer
	over  bool
}

func (s *sleep) abort(t *Task) {
	if s.timer.Stop() {
		t.s.makeReady(t)
	}
}

// The methods of Task as a context.

// taskKey is the key under which a context knows its task.
type taskKey struct{}

// Deadline is part of context.Context: a task has no deadline. The limit of a [Task.Timeout] is not
// a deadline of the task.
func (t *Task) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done is part of context.Context: the channel is closed when the task is cancelled, or over.
func (t *Task) Done() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done == nil {
		t.done = bubble.MakeChan[struct{}](0)
		if t.err != nil {
			close(t.done)
		}
	}
	return t.done
}

// Err is part of context.Context: context.Canceled when the task is cancelled, or over.
func (t *Task) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Value is part of context.Context: values are those of [Options].Context.
func (t *Task) Value(key any) any {
	if _, ok := key.(taskKey); ok {
		return t
	}
	if t.values == nil { // Spawn did not make it
		return nil
	}
	return t.values.Value(key)
}

// AfterFunc calls f on a goroutine of its own when the context is done. context.AfterFunc and
// contexts derived from a Task use it. Any goroutine may call it. stop withdraws f and reports
// whether it could.
func (t *Task) AfterFunc(f func()) (stop func() bool) {
	mustFunction(f == nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		go f()
		return func() bool { return false }
	}
	if t.after == nil {
		t.after = map[*func()]struct{}{}
	}
	key := &f
	t.after[key] = struct{}{}
	return func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		_, there := t.after[key]
		delete(t.after, key)
		return there
	}
}

// endContext makes the context done.
func (t *Task) endContext() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return
	}
	t.err = context.Canceled
	if t.done != nil {
		close(t.done)
	}
	for f := range t.after {
		go (*f)()
	}
	t.after = nil
}
