package coro

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/prefetch"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
	"github.com/weirgo/weir/sched"
)

// Scheduler runs tasks on one loop: all of them on the loop's thread, one at a time. Any goroutine
// may call its methods, unless they say otherwise.
type Scheduler struct {
	io      *aio.IO
	loop    *aiort.Loop
	o       Options
	check   bool
	watched bool
	answers time.Duration // how long a Shutdown whose context ended waits for the names of tasks
	id      uint64        // callerID of the loop's goroutine

	// The fields below belong to the loop's thread.
	ready    readyQueue
	budget   int       // how many more tasks may run before the loop does
	share    int       // for how many tasks at the head of ready retry has made the calls
	fresh    taskQueue // tasks that have parked for operations that have not been submitted
	family             // tasks without a parent
	finished *Task     // the task that is done and has not been retired
	sitter             // where the loop's goroutine is parked
	back     bool      // the goroutine that goes on hands the thread to the loop's goroutine at once
	idle     []*worker
	corpse   *worker // see worker.die

	current atomic.Pointer[Task] // the task that runs, or the last one that did
	looked  atomic.Bool          // the watchdog has looked since a task was resumed
	inbox   sched.Intake[Task]
	asleep  atomic.Bool // a goroutine that fills the inbox must wake the loop
	resumed uint64
	count   counters

	closed    atomic.Bool             // no more tasks without a parent are taken; set with mu held
	cancelIt  atomic.Bool             // all tasks must be cancelled
	listings  atomic.Pointer[listing] // requests of Shutdowns for the names of tasks
	views     atomic.Pointer[viewing] // requests of Snapshots
	viewer    viewer                  // see snapshot.go
	idled     Event                   // live is 0
	mu        sync.Mutex              // guards the fields below
	live      int                     // number of tasks without a parent, including those still in the inbox
	panickers panics                  // panics of those tasks

	watcher sync.WaitGroup
	ended   chan struct{} // closed when the thread has ended
	err     error         // the error of closing the loop; valid after ended
}

// New starts a scheduler: a loop on a thread of its own. The scheduler owns both until
// [Scheduler.Close].
func New(o Options) (*Scheduler, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if o.IO == nil {
		o.IO = aio.Default()
	}
	loop, err := o.IO.Runtime().NewLoop()
	if err != nil {
		return nil, err
	}
	return start(loop, o)
}

func start(loop *aiort.Loop, o Options) (*Scheduler, error) {
	s := &Scheduler{
		io: o.IO, loop: loop, o: o,
		check: o.Check || sys.RaceEnabled, watched: o.HogLimit > 0,
		ended: make(chan struct{}), answers: time.Second,
	}
	s.idled.Set()
	loop.SetSpin(o.Spin)
	ready := make(chan error)
	go s.serve(ready)
	if err := <-ready; err != nil {
		<-s.ended
		return nil, err
	}
	if s.watched {
		s.watcher.Add(1)
		go s.watch()
	}
	return s, nil
}

// IO returns the aio.IO that the scheduler was made with.
func (s *Scheduler) IO() *aio.IO {
	s.mustBeMade()
	return s.io
}

// mustBeMade panics for a Scheduler that New did not make.
func (s *Scheduler) mustBeMade() {
	if s == nil || s.loop == nil {
		panic("coro: use of a Scheduler that is nil or zero: New makes one")
	}
}

// serve is the goroutine of the loop's thread.
func (s *Scheduler) serve(ready chan<- error) {
	defer close(s.ended)
	defer func() { s.err = s.loop.Close() }()
	if err := s.loop.Turn(false); err != nil {
		ready <- err
		return
	}
	s.id = callerID()
	callers.Store(s.id, s)
	defer callers.Delete(s.id)
	ready <- nil
	for !s.over() {
		s.turn()
	}
	for _, w := range s.idle {
		s.dismiss(w)
	}
	if s.corpse != nil {
		s.corpse.seat.end() // ends this goroutine
	}
}

// over reports whether the scheduler has been closed and has nothing left to run.
func (s *Scheduler) over() bool {
	if !s.closed.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live == 0
}

// turn runs ready tasks until none is left or the budget is spent, and then the loop once.
func (s *Scheduler) turn() {
	for s.budget = s.o.Budget; ; {
		s.takeInbox()
		for s.budget > 0 && !s.ready.empty() {
			if s.share == 0 {
				s.share = s.retry(s.budget)
			}
			t := s.ready.pop()
			s.run(t)
			if t.worker == nil {
				s.employ(t)
			}
			s.change(&s.sitter, t.at)
			s.settle()
		}
		if s.budget == 0 || s.inbox.Empty() {
			break
		}
	}
	s.current.Store(nil)
	s.count.resumed.Store(s.resumed)
	idle := s.ready.empty() && !s.over()
	if idle {
		s.asleep.Store(true)
		idle = s.inbox.Empty()
	}
	if err := s.loop.Turn(idle); err != nil {
		s.cancelAll(err)
	}
	if idle {
		s.asleep.Store(false)
	}
}

// maxRetries bounds how many tasks' system calls are made one after the other. With more, the calls
// and the data of these tasks leave the processor's caches before the tasks run.
const maxRetries = 32

// retry makes the calls of the tasks that are resumed next. It returns the number of those tasks:
// at most limit, and at most a quarter of the ready ones, since a call that is made later finds
// more.
func (s *Scheduler) retry(limit int) int {
	n := min(limit, maxRetries, max(s.ready.len()/4, 1))
	if n == maxRetries {
		s.prefetch(n)
	}
	for i := range n {
		if r := &s.ready.at(i).retry; r.call != nil {
			r.res = r.call(r.fd, r.p)
			r.call, r.p = nil, nil
		}
	}
	return n
}

// prefetch makes the processor fetch what the next n tasks need. With few tasks all of it is still
// in the caches.
func (s *Scheduler) prefetch(n int) {
	for i := range n {
		prefetch.Of(s.ready.at(i)).Fetch()
	}
	for i := range n {
		t := s.ready.at(i)
		t.place.Fetch()
		prefetch.Of(t.at).Fetch()
		t.over.Fetch()
		if r := &t.retry; r.call != nil {
			for _, a := range r.then {
				a.Fetch()
			}
			prefetch.Of(&r.p[0]).Fetch()
		}
	}
	for i := range n {
		if t := s.ready.at(i); t.over != 0 {
			t.over.Through()
		}
	}
}

// settle does what tasks have left to the loop's goroutine.
func (s *Scheduler) settle() {
	for t := s.fresh.pop(); t != nil; t = s.fresh.pop() {
		s.submit(t)
	}
	if t := s.finished; t != nil {
		s.finished = nil
		s.retire(t)
	}
}

// run makes t, which has been taken out of the ready queue, the running task. The caller hands it
// the thread.
func (s *Scheduler) run(t *Task) {
	t.become(stateRunning)
	s.resumed++
	t.direct, t.turn = 0, uint32(s.resumed)
	s.budget--
	s.share = max(s.share-1, 0)
	if s.looked.Load() {
		s.looked.Store(false) // before the watchdog can see t
	}
	s.current.Store(t)
}

// successor makes the next ready task the running one, and returns the seat that the caller must
// switch to. It returns the seat of the loop's goroutine if that has work to do first, or if the
// next task is of, which is about to park.
func (s *Scheduler) successor(of *Task) *seat {
	of.place.Here()
	if s.budget == 0 || s.ready.empty() {
		return s.at
	}
	t := s.ready.at(0)
	if t == of || t.worker == nil {
		return s.at
	}
	if s.share == 0 {
		s.share = s.retry(s.budget)
	}
	s.run(s.ready.pop())
	return t.at
}

// makeReady puts a task that waited, or that yields, into the ready queue.
func (s *Scheduler) makeReady(t *Task) {
	t.become(stateReady)
	s.ready.push(t)
}

// employ gives t a worker.
func (s *Scheduler) employ(t *Task) {
	if n := len(s.idle); n > 0 {
		t.worker = s.idle[n-1]
		s.idle[n-1] = nil
		s.idle = s.idle[:n-1]
	} else {
		t.worker = newWorker(s)
		s.count.workers.Add(1)
	}
	t.worker.task, t.sitter = t, t.worker.sitter
	t.employer.Store(t.worker)
}

// retire handles a task that is done.
func (s *Scheduler) retire(t *Task) {
	if w := t.worker; w != nil { // nil: its goroutine died
		t.worker, w.task = nil, nil
		t.employer.Store(nil)
		if len(s.idle) < s.o.IdleWorkers {
			s.idle = append(s.idle, w)
		} else {
			s.dismiss(w)
		}
	}
	s.count.ended.Add(1)
	of := t.of
	of.childEnded(t)
	if t.group != nil {
		t.group.ended(t)
	}
	root := of == &s.family
	t.ended.setHere(s)
	if root {
		s.left(t)
	}
}

// left records that a task without a parent is over.
func (s *Scheduler) left(t *Task) {
	s.raise(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.panicked != nil && !t.detached.Load() {
		s.panickers.add(t)
	}
	if s.live--; s.live == 0 {
		s.idled.Set()
	}
}

// raise passes on the panic of a task whose result will not be waited for.
func (s *Scheduler) raise(t *Task) {
	if !t.detached.Load() {
		return
	}
	if p := t.unseenPanic(); p != nil {
		if s.o.OnPanic == nil {
			panic(p)
		}
		s.o.OnPanic(p)
	}
}

// Requests of other threads.
const (
	askSpawn   uint32 = 1 << iota // start the task
	askWake                       // it has got what it waits for
	askCancel                     // cancel it
	askContext                    // the context of one of its waits has ended
	askDetach                     // take it out of its family
)

// ask makes the loop's thread do something for t. Any goroutine may call it.
func (s *Scheduler) ask(t *Task, what uint32) {
	t.asks.Or(what)
	if s.inbox.Push(&t.node) && s.asleep.Load() {
		s.loop.Wake()
	}
}

// takeInbox serves the requests of other threads.
func (s *Scheduler) takeInbox() {
	for n := s.inbox.Take(); n != nil; {
		next := n.Next()
		n.Release()
		t := n.Value
		asks := t.asks.Swap(0)
		if asks&askSpawn != 0 {
			s.begin(t, &s.family)
		}
		if asks&askWake != 0 {
			s.makeReady(t)
		}
		if asks&askDetach != 0 {
			s.detach(t)
		}
		if asks&askCancel != 0 {
			t.cancel(ErrCanceled)
		}
		if asks&askContext != 0 {
			t.contextEnded()
		}
		n = next
	}
	if s.cancelIt.Load() {
		s.cancelIt.Store(false)
		cause := ErrCanceled
		if s.closed.Load() {
			cause = ErrClosed
		}
		s.cancelAll(cause)
	}
	if s.listings.Load() != nil {
		s.answer(s.listings.Swap(nil))
	}
	if s.views.Load() != nil {
		s.answerViews(s.views.Swap(nil))
	}
}

// cancelAll cancels every task, newest first.
func (s *Scheduler) cancelAll(cause error) {
	for t := s.youngest; t != nil; {
		older := t.older
		t.cancel(cause)
		t = older
	}
}

// begin makes a task that has been spawned ready.
func (s *Scheduler) begin(t *Task, of *family) {
	of.add(t)
	t.become(stateReady)
	s.ready.push(t)
	s.count.spawned.Add(1)
}

// detach moves a task from its parent to the scheduler.
func (s *Scheduler) detach(t *Task) {
	if t.state == stateDone {
		s.raise(t)
		return
	}
	if t.of == &s.family {
		return
	}
	of := t.of
	of.remove(t)
	if p := t.parent; p != nil && of.children == 0 && of.joining {
		s.makeReady(p)
	}
	t.parent, t.born = nil, nil
	s.family.add(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live++
	s.idled.Reset()
}

// enlist counts a task without a parent that is about to begin. It returns false if the scheduler
// has been closed.
func (s *Scheduler) enlist() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return false
	}
	s.live++
	s.idled.Reset()
	return true
}

// Run waits until no task is left, including detached ones. If ctx ends first Run cancels all of
// them and waits until they are over; then the error is the cause. Run panics with a [*PanicError]
// if a task's panic has not been seen. Coroutines must not call it.
func (s *Scheduler) Run(ctx context.Context) error {
	s.mustBeMade()
	err := s.idled.Wait(ctx)
	if err != nil {
		s.askCancel()
		if err := s.idled.Wait(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	if p := s.unseenPanic(); p != nil {
		panic(p)
	}
	return err
}

func (s *Scheduler) unseenPanic() *PanicError {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := &s.panickers; len(p.tasks) > 0; {
		t := p.tasks[0]
		p.tasks = p.tasks[1:]
		if t.detached.Load() {
			continue // the loop is about to pass it on
		}
		if p := t.unseenPanic(); p != nil {
			return p
		}
	}
	return nil
}

func (s *Scheduler) askCancel() {
	s.cancelIt.Store(true)
	s.loop.Wake()
}

// Close is [Scheduler.Shutdown] without a time limit.
func (s *Scheduler) Close() error { return s.Shutdown(context.Background()) }

// Shutdown ends the scheduler: it takes no more tasks, cancels those it has, newest first, waits
// until they are over, and frees the thread and the loop. Waits of tasks end with [ErrClosed]. If
// ctx ends first the error is a [*StuckError] that names the tasks that are not over; the shutdown
// goes on, and another call waits for it. If a task's panic has not been seen, the error includes
// it as a [*PanicError]. A call after everything has ended returns ErrClosed. Coroutines must not
// call it.
func (s *Scheduler) Shutdown(ctx context.Context) error {
	s.mustBeMade()
	mustContext(ctx)
	if schedulerOfCaller() == s {
		return errors.New("coro: a task of the scheduler closes it, and would wait for itself")
	}
	select {
	case <-s.ended:
		return ErrClosed
	default:
	}
	s.mu.Lock()
	s.closed.Store(true)
	s.mu.Unlock()
	s.askCancel()
	select {
	case <-s.ended:
	case <-ctx.Done():
		if err := s.stuck(context.Cause(ctx)); err != nil {
			return err
		}
	}
	s.watcher.Wait()
	errs := s.err
	for p := s.unseenPanic(); p != nil; p = s.unseenPanic() {
		errs = errors.Join(errs, p)
	}
	return errs
}

// StuckError lists the tasks that were not over when the context of a [Scheduler.Shutdown] ended.
type StuckError struct {
	Tasks []string // names
	Cause error    // the context's
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("coro: shutdown: %d tasks did not end in time: %s", len(e.Tasks), strings.Join(e.Tasks, ", "))
}

// Unwrap returns the context's error.
func (e *StuckError) Unwrap() error { return e.Cause }

// listing is a request for the names of the tasks that are left.
type listing struct {
	names chan []string
	next  *listing
}

// stuck asks the loop's thread which tasks are left. If the thread does not answer, because a task
// keeps it, stuck names that task. It returns nil if the scheduler has ended meanwhile.
func (s *Scheduler) stuck(cause error) error {
	e := &StuckError{Cause: cause}
	l := &listing{names: bubble.MakeChan[[]string](1)}
	for l.next = s.listings.Load(); !s.listings.CompareAndSwap(l.next, l); l.next = s.listings.Load() {
	}
	s.loop.Wake()
	select {
	case e.Tasks = <-l.names:
	case <-s.ended:
		return nil
	case <-time.After(s.answers):
		if t := s.current.Load(); t != nil {
			e.Tasks = []string{t.Name()}
		}
	}
	return e
}

// answer sends the names of the tasks that are left to Shutdowns whose context ended.
func (s *Scheduler) answer(l *listing) {
	var list []string
	var walk func(f *family)
	walk = func(f *family) {
		for t := f.youngest; t != nil; t = t.older {
			list = append(list, t.Name())
			walk(&t.family)
		}
	}
	walk(&s.family)
	for ; l != nil; l = l.next {
		l.names <- slices.Clone(list)
	}
}

// readyQueue is a first-in first-out queue of tasks, in a ring.
type readyQueue struct {
	ring    []*Task // its length is a power of two
	head, n int
}

func (q *readyQueue) empty() bool { return q.n == 0 }

func (q *readyQueue) len() int { return q.n }

// at returns the task that i others precede.
func (q *readyQueue) at(i int) *Task { return q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *readyQueue) push(t *Task) {
	if q.n == len(q.ring) {
		ring := make([]*Task, max(2*q.n, 64))
		for i := range q.n {
			ring[i] = q.at(i)
		}
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = t
	q.n++
}

func (q *readyQueue) pop() *Task {
	if q.n == 0 {
		return nil
	}
	p := &q.ring[q.head]
	t := *p
	*p = nil
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return t
}

// taskQueue is a first-in first-out queue of tasks, linked by Task.next and Task.before.
type taskQueue struct{ first, last *Task }

func (q *taskQueue) empty() bool { return q.first == nil }

func (q *taskQueue) push(t *Task) {
	if t.before = q.last; t.before == nil {
		q.first = t
	} else {
		t.before.next = t
	}
	q.last = t
}

func (q *taskQueue) pop() *Task {
	t := q.first
	if t != nil {
		q.remove(t)
	}
	return t
}

// remove takes t, which is in q, out.
func (q *taskQueue) remove(t *Task) {
	if t.before != nil {
		t.before.next = t.next
	} else {
		q.first = t.next
	}
	if t.next != nil {
		t.next.before = t.before
	} else {
		q.last = t.before
	}
	t.next, t.before = nil, nil
}
