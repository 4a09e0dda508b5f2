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

// Task is a coroutine, and the handle by which its own code waits: the function given to Spawn gets
// it. Its methods are for that function, on its own stack, and panic when others call them, as far
// as that can be told (see Options.Check); those that say so are for everybody.
//
// A Task is a context.Context: it is done when the task is cancelled or over. Functions of this
// package that take a context must be given the Task, or a context derived from it, when a
// coroutine calls them: this is how they know that they must not block the thread. As a context a
// Task is for every goroutine.
type Task struct {
	s *Scheduler

	// What follows is of the loop's thread. What each call of a view needs comes first and
	// together: with many tasks none of it is in the processor's caches any more when a task's turn
	// comes.
	state  state
	direct uint8 // system calls made for the views since it was resumed
	sitter       // while it has a worker
	lane   taskLane
	scope  *scope
	own    scope              // the outermost one
	place  prefetch.Goroutine // where it has parked
	self   prefetch.Goroutine // of its worker
	retry  retry

	worker   *worker
	next     *Task // in the line of tasks that are to submit
	before   *Task // there
	waiting  aborter
	family          // its children
	kin             // its place among those of its parent
	waits    uint64 // counts those with a context
	op       opWait
	sync     syncWait
	w        waiter
	sleep    sleep
	views    views
	group    *Group
	failed   error
	panicked *PanicError

	// What follows never changes.
	name   string
	body   body
	values context.Context

	// What follows is of all threads.
	node     sched.Node[Task]
	asks     atomic.Uint32
	employer atomic.Pointer[worker] // as the watchdog sees it
	reported atomic.Bool            // as a hog
	detached atomic.Bool            // nobody is going to wait for it
	watch    atomic.Uint64          // the wait whose context has ended
	ended    Event

	mu       sync.Mutex // guards what follows
	err      error      // as a context: set once
	done     chan struct{}
	after    map[*func()]struct{}
	observed bool // somebody has seen the panic
}

// body is what a task runs: a Handle, which keeps the result.
type body interface{ run(t *Task) error }

// Name returns the task's name: see Name. Any goroutine may call it.
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

// mineSurely is mine where the caller is about to change what belongs to the loop's thread, without
// a switch by which Go's runtime would find that out.
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

// Yield lets the other tasks that are ready run first. It returns nil, or why the task must not go
// on waiting: see Handle.Cancel.
func (t *Task) Yield() error {
	t.mine()
	t.giveWay()
	return t.cancelled()
}

// giveWay parks t behind those that are ready.
func (t *Task) giveWay() {
	t.s.makeReady(t)
	t.s.change(&t.sitter, t.s.successor(t))
}

// Sleep waits for d, or until the task is cancelled: then it returns the cause. With d <= 0 it is a
// Yield.
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

// sleep is the wait of Sleep.
type sleep struct {
	timer aiort.Timer
	over  bool
}

func (s *sleep) abort(t *Task) {
	if s.timer.Stop() {
		t.s.makeReady(t)
	}
}

// The Task as a context.

// taskKey is the key under which a context knows its task.
type taskKey struct{}

// Deadline is part of context.Context: a task has none. The time of a Timeout is not a deadline of
// the task.
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

// Value is part of context.Context: values are those of Options.Context.
func (t *Task) Value(key any) any {
	if _, ok := key.(taskKey); ok {
		return t
	}
	if t.values == nil { // Spawn has not made it
		return nil
	}
	return t.values.Value(key)
}

// AfterFunc calls f on a goroutine of its own when the context is done: context.AfterFunc and what
// derives from a Task use it. Any goroutine may call it. The function returned takes f back and
// reports whether it could.
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
