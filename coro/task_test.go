package coro

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/backends/sim"
	"github.com/weirgo/weir/internal/prefetch"
	aiort "github.com/weirgo/weir/runtime"
)

// TestLegalMoves guards the table of states: every move, legal or not.
func TestLegalMoves(t *testing.T) {
	allowed := map[string]bool{
		"new ready": true, "new done": true, "ready running": true,
		"running ready": true, "running waiting": true, "running done": true, "waiting ready": true,
	}
	for from := stateNew; from < numStates; from++ {
		for to := stateNew; to < numStates; to++ {
			task := &Task{name: "x", state: from}
			move := fmt.Sprint(from, " ", to)
			panicked := func() (p any) {
				defer func() { p = recover() }()
				task.become(to)
				return nil
			}()
			switch {
			case allowed[move] && (panicked != nil || task.state != to):
				t.Errorf("%s: %v, and the state is %v", move, panicked, task.state)
			case !allowed[move] && (panicked == nil || task.state != from):
				t.Errorf("%s: %v, and the state is %v", move, panicked, task.state)
			}
		}
	}
	if s := state(99).String(); s != "unknown" {
		t.Error(s)
	}
}

// TestSpawn guards results, errors and names, from the scheduler and from tasks, and that tasks
// take turns.
func TestSpawn(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		want := errors.New("x")
		h := Spawn(r.Scheduler, func(task *Task) (string, error) {
			if task.Name() != "outer" || task.Scheduler() != r.Scheduler {
				t.Errorf("name %q", task.Name())
			}
			inner := Spawn(task, func(task *Task) (int, error) { return 7, want }, Name("inner"))
			if inner.Over() {
				t.Error("a child has run before its parent waited")
			}
			v, err := inner.Wait(task)
			if !inner.Over() || inner.Task().Name() != "inner" {
				t.Error("not over after Wait")
			}
			return fmt.Sprint(v, err), nil
		}, Name("outer"))
		for range 2 {
			if v, err := h.Wait(context.Background()); v != "7x"[:1]+" x" || err != nil {
				t.Errorf("%q, %v", v, err)
			}
		}
		var order []int
		r.do(func(task *Task) {
			for i := range 3 {
				child(task, func(task *Task) {
					for range 3 {
						order = append(order, i)
						task.Yield()
					}
				})
			}
		})
		if !slices.Equal(order, []int{0, 1, 2, 0, 1, 2, 0, 1, 2}) {
			t.Errorf("turns: %v", order)
		}
		if name := Spawn(r.Scheduler, func(*Task) (int, error) {
			return 0,
				nil
		}).Task().Name(); !strings.HasPrefix(name, "0x") {
			t.Errorf("name of a task without one: %q", name)
		}
	})
}

// TestParentWaits guards that no child outlives its parent: a parent whose function is over waits
// for its children, and cancels them first if it failed.
func TestParentWaits(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		ended, canceled := 0, 0
		tree := func(task *Task) {
			for range 3 {
				child(task, func(task *Task) {
					child(task, func(task *Task) {
						if task.Sleep(time.Millisecond) != nil {
							canceled++
						}
						ended++
					})
					if task.Sleep(time.Millisecond) != nil {
						canceled++
					}
					ended++
				})
			}
		}
		r.do(tree)
		if ended != 6 || canceled != 0 {
			t.Errorf("%d ended, %d of them cancelled", ended, canceled)
		}
		ended = 0
		want := errors.New("x")
		h := Spawn(r.Scheduler, func(task *Task) (int, error) { tree(task); task.Yield(); return 0, want })
		if _, err := h.Wait(context.Background()); err != want {
			t.Error(err)
		}
		if ended != 6 || canceled != 6 {
			t.Errorf("%d ended, %d of them cancelled", ended, canceled)
		}
	})
}

// TestDetach guards that a detached task outlives its parent, that Close ends it, and that its
// panic goes to OnPanic.
func TestDetach(t *testing.T) {
	var got atomic.Pointer[PanicError]
	each(t, Options{OnPanic: func(p *PanicError) { got.Store(p) }}, func(t *testing.T, r *rig) {
		var err error
		var free Event
		var h *Handle[int]
		r.do(func(task *Task) {
			h = failing(task, func(task *Task) error { err = free.Wait(task); return err })
			h.Detach()
		})
		if h.Over() {
			t.Error("ended with its parent")
		}
		free.Set()
		if r.wait(h); err != nil {
			t.Error(err)
		}
		p := r.spawn(func(*Task) { panic("detached") })
		p.Detach()
		if err := r.Run(context.Background()); err != nil {
			t.Error(err)
		}
		for got.Load() == nil {
			time.Sleep(10 * time.Microsecond)
		}
		if e := got.Swap(nil); e.Value != "detached" {
			t.Errorf("OnPanic got %v", e)
		}
		p = r.spawn(func(*Task) { panic("late") })
		if err := r.idled.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		p.Detach()
		for got.Load() == nil {
			time.Sleep(10 * time.Microsecond)
		}
		last := failing2(r, func(task *Task) error { return forever(task) })
		last.Detach()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := last.Wait(context.Background()); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

func failing2(r *rig, f func(t *Task) error) *Handle[int] {
	return Spawn(r.Scheduler, func(t *Task) (int, error) { return 0, f(t) })
}

// TestPanic guards that a panic ends its task alone and surfaces at Wait with the task's stack, or
// with the parent that did not wait, or with Run, and no more than once by itself.
func TestPanic(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		caught := func(f func()) (e *PanicError) {
			defer func() { e, _ = recover().(*PanicError) }()
			f()
			return nil
		}
		cause := errors.New("cause")
		h := r.spawn(func(*Task) { explode(cause) })
		for range 2 {
			e := caught(func() { h.Wait(context.Background()) })
			if e == nil || e.Value != any(cause) || !errors.Is(e, cause) || !strings.Contains(string(e.Stack),
				"explode") || !strings.Contains(e.Error(), "cause [in") {
				t.Fatalf("Wait: %v", e)
			}
		}
		// A child's, which the parent sees and survives.
		r.do(func(task *Task) {
			h := child(task, func(*Task) { explode("child") })
			if e := caught(func() { h.Wait(task) }); e == nil || e.Value != "child" {
				t.Errorf("%v", e)
			}
		})
		// One that the parent does not look at is its own, and so on.
		h = r.spawn(func(task *Task) {
			child(task, func(task *Task) { child(task, func(*Task) { explode("grandchild") }) })
		})
		if e := caught(func() { h.Wait(context.Background()) }); e == nil || e.Value != "grandchild" {
			t.Errorf("%v", e)
		}
		r.spawn(func(*Task) { explode("nobody") })
		if e := caught(func() { r.Run(context.Background()) }); e == nil || e.Value != "nobody" {
			t.Errorf("Run: %v", e)
		}
		if e := caught(func() { r.Run(context.Background()) }); e != nil {
			t.Errorf("Run again: %v", e)
		}
		h = r.spawn(func(*Task) { panic(nil) })
		if e := caught(func() { h.Wait(context.Background()) }); e == nil {
			t.Error("panic(nil) was lost")
		}
		r.spawn(func(*Task) { explode("at close") })
		if err := r.idled.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		var e *PanicError
		if err := r.Close(); !errors.As(err, &e) || e.Value != "at close" {
			t.Errorf("Close: %v", err)
		}
	})
}

//go:noinline
func explode(v any) { panic(v) }

// TestGoexit guards that Goexit, which is how FailNow and SkipNow of a test end, ends its task
// alone: deferred functions run and may wait, children are cancelled, the thread goes on, and no
// goroutine stays behind.
func TestGoexit(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		before := runtime.NumGoroutine()
		for i := range 20 {
			var slept, childErr error
			h := Spawn(r.Scheduler, func(task *Task) (int, error) {
				defer func() { slept = task.Sleep(time.Microsecond) }()
				child(task, func(task *Task) { childErr = forever(task) })
				if i%2 == 0 {
					task.Yield()
				}
				runtime.Goexit()
				return 1, nil
			})
			if v, err := h.Wait(context.Background()); v != 0 || err != ErrGoexit {
				t.Fatalf("%d, %v", v, err)
			}
			if slept != nil || !errors.Is(childErr, ErrCanceled) {
				t.Fatalf("deferred Sleep: %v, the child: %v", slept, childErr)
			}
		}
		if n := runtime.NumGoroutine(); n > before+4 {
			t.Errorf("%d goroutines, and %d before", n, before)
		}
		// A panic in a deferred function does not end the Goexit, but it is what becomes of the
		// task.
		for range 5 {
			h := r.spawn(func(task *Task) {
				child(task, func(task *Task) { task.Yield() })
				task.Yield()
				defer func() { panic("late") }()
				runtime.Goexit()
			})
			func() {
				defer func() {
					if p, ok := recover().(*PanicError); !ok || p.Value != "late" {
						t.Errorf("Wait panics with %v", p)
					}
				}()
				h.Wait(context.Background())
			}()
		}
		if n := runtime.NumGoroutine(); n > before+4 {
			t.Errorf("%d goroutines after panics, and %d before", n, before)
		}
		// A test that is failed by a coroutine goes on and reports it.
		var sub testing.T
		h := r.spawn(func(*Task) { sub.FailNow() })
		if _, err := h.Wait(context.Background()); err != ErrGoexit || !sub.Failed() {
			t.Errorf("FailNow: %v", err)
		}
		r.do(func(task *Task) { task.Yield() })
	})
}

// TestClose guards that Close cancels what runs, newest first, waits for it, refuses what comes
// later, and can be called again.
func TestClose(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		var order []int
		var started sync.WaitGroup
		for i := range 3 {
			started.Add(1)
			r.spawn(func(task *Task) {
				started.Done()
				if err := forever(task); !errors.Is(err, ErrClosed) || !errors.Is(err, net.ErrClosed) ||
					!errors.Is(err, os.ErrClosed) {
					t.Errorf("Sleep: %v", err)
				}
				order = append(order, i)
				task.Mask(func() {
					if err := task.Sleep(time.Millisecond); err != nil {
						t.Errorf("masked: %v", err)
					}
				})
			})
		}
		started.Wait()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if !slices.Equal(order, []int{2, 1, 0}) {
			t.Errorf("ended in the order %v", order)
		}
		if err := r.Close(); err != ErrClosed {
			t.Errorf("second Close: %v", err)
		}
		h := r.spawn(func(*Task) { t.Error("runs") })
		h.Cancel()
		h.Detach()
		if _, err := h.Wait(context.Background()); err != ErrClosed || !h.Over() || h.Task().Err() == nil {
			t.Errorf("after Close: %v", err)
		}
		if err := r.Run(context.Background()); err != nil {
			t.Errorf("Run after Close: %v", err)
		}
	})
}

// TestRun guards that Run waits for everything, and that its context cancels everything.
func TestRun(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		if err := r.Run(context.Background()); err != nil {
			t.Error(err)
		}
		n := 0
		r.spawn(func(task *Task) {
			child(task, func(task *Task) { task.Sleep(time.Millisecond); n++ }).Detach()
		})
		if err := r.Run(context.Background()); err != nil || n != 1 {
			t.Errorf("%v, %d tasks", err, n)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		var got error
		r.spawn(func(task *Task) { cancel(errors.New("enough")); got = forever(task) })
		if err := r.Run(ctx); err == nil || err.Error() != "enough" {
			t.Error(err)
		}
		if !errors.Is(got, ErrCanceled) {
			t.Error(got)
		}
	})
}

// TestSpawnRacesClose guards that a task that is spawned while the scheduler is closed either runs
// to its end or is refused: no wait lasts for ever.
func TestSpawnRacesClose(t *testing.T) {
	for range scale(100) {
		r := onSim(t, sim.Config{Seed: 1, Trace: -1}, aiort.Options{}, Options{})
		var wg sync.WaitGroup
		var ran, refused atomic.Int64
		for range 4 {
			wg.Go(func() {
				for range 50 {
					h := Spawn(r.Scheduler, func(task *Task) (int, error) { ran.Add(1); task.Yield(); return 1, nil })
					if _, err := h.Wait(context.Background()); err == ErrClosed {
						refused.Add(1)
					} else if err != nil {
						t.Error(err)
					}
				}
			})
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if ran.Load()+refused.Load() != 200 {
			t.Errorf("%d ran, %d were refused", ran.Load(), refused.Load())
		}
	}
}

// TestContext guards a Task as a context: values, Done, derived contexts without goroutines, and
// its end with the task.
func TestContext(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(context.Background(), key{}, "v")
	each(t, Options{Context: ctx}, func(t *testing.T, r *rig) {
		var keep, derived context.Context
		r.do(func(task *Task) {
			keep = task
			if task.Value(key{}) != "v" || task.Err() != nil {
				t.Error("value or Err of a task that runs")
			}
			if _, ok := task.Deadline(); ok {
				t.Error("a deadline")
			}
			child(task, func(task *Task) {
				if task.Value(key{}) != "v" {
					t.Error("value of a child")
				}
			})
			n := runtime.NumGoroutine()
			var cancel context.CancelFunc
			derived, cancel = context.WithCancel(task)
			_ = cancel
			if m := runtime.NumGoroutine(); m != n {
				t.Errorf("a derived context started %d goroutines", m-n)
			}
			h := child(task, func(task *Task) { forever(task) })
			waiting(task, h)
			d, cancel2 := context.WithCancel(h.Task())
			defer cancel2()
			h.Cancel()
			h.Wait(task)
			if h.Task().Err() != context.Canceled {
				t.Errorf("Err of one that was cancelled: %v", h.Task().Err())
			}
			task.Blocking(func() { <-d.Done() })
			stopped := h.Task().AfterFunc(func() {})
			if stopped() {
				t.Error("stopped what had started")
			}
		})
		<-keep.Done()
		<-derived.Done()
		if keep.Err() != context.Canceled {
			t.Error(keep.Err())
		}
	})
}

// TestWaitersOnManyThreads guards Wait by goroutines and by tasks of several schedulers at once,
// and that a Wait that is given up leaves the task alone.
func TestWaitersOnManyThreads(t *testing.T) {
	a := onSim(t, sim.Config{Seed: 1, Trace: -1}, aiort.Options{}, Options{})
	b := onSystem(t, Options{})
	for range scale(200) {
		var free Event
		h := Spawn(a.Scheduler, func(task *Task) (int, error) { return 42, free.Wait(task) })
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := h.Wait(gone); err != context.Canceled {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if v, err := h.Wait(context.Background()); v != 42 || err != nil {
					t.Error(v, err)
				}
			})
			for _, r := range []*rig{a, b} {
				w := r.spawn(func(task *Task) {
					if v, err := h.Wait(task); v != 42 || err != nil {
						t.Error(v, err)
					}
				})
				wg.Go(func() { r.wait(w) })
			}
		}
		free.Set()
		wg.Wait()
	}
}

// TestMisuse guards that what belongs to a coroutine is not used from elsewhere, and that a
// coroutine that would block its thread or wait for itself says so.
func TestMisuse(t *testing.T) {
	for _, check := range checks() {
		t.Run(fmt.Sprint("check ", check), func(t *testing.T) { testMisuse(t, check) })
	}
}

// checks are the values of Options.Check with which a goroutine that uses a task is found out in
// every case.
func checks() []bool {
	var here prefetch.Goroutine
	if here.Here(); here == (prefetch.Goroutine{}) {
		return []bool{true}
	}
	return []bool{true, false}
}

func testMisuse(t *testing.T, check bool) {
	each(t, Options{Check: check}, func(t *testing.T, r *rig) {
		mustPanic := func(what, want string, f func()) {
			t.Helper()
			defer func() {
				t.Helper()
				if p := fmt.Sprint(recover()); !strings.Contains(p, want) {
					t.Errorf("%s: %v, want %q", what, p, want)
				}
			}()
			f()
		}
		var free Event
		h := r.spawn(func(task *Task) { free.Wait(task) })
		const outside = "used from outside its coroutine"
		methods := map[string]func(task *Task){
			"Yield":    func(task *Task) { task.Yield() },
			"Sleep":    func(task *Task) { task.Sleep(1) },
			"Do":       func(task *Task) { task.Do() },
			"Blocking": func(task *Task) { task.Blocking(func() {}) },
			"Mask":     func(task *Task) { task.Mask(func() {}) },
			"Timeout":  func(task *Task) { task.Timeout(1, func() error { return nil }) },
			"Spawn":    func(task *Task) { child(task, nil) },
			"Event":    func(task *Task) { new(Event).Wait(task) },
			"Group":    func(task *Task) { NewGroup(task) },
			"Race":     func(task *Task) { Race[int](task) },
		}
		for what, f := range methods {
			mustPanic("goroutine, task waits: "+what, outside, func() { f(h.Task()) })
		}
		r.do(func(task *Task) {
			for what, f := range methods {
				mustPanic("another task: "+what, outside, func() { f(h.Task()) })
				// While the task itself runs, on another thread.
				panicked := make(chan struct{})
				go func() {
					defer close(panicked)
					mustPanic("goroutine, task runs: "+what, outside, func() { f(task) })
				}()
				<-panicked
			}
			mustPanic("itself", "waits for itself", func() { task.body.(*Handle[int]).Wait(task) })
			self := task.body.(*Handle[int])
			child := Spawn(task, func(task *Task) (int, error) { return self.Wait(task) })
			mustPanic("its parent", "waits for itself", func() { child.Wait(task) })
			bg := context.Background()
			q := NewQueue[int](0)
			for what, f := range map[string]func(){
				"Wait": func() { h.Wait(bg) }, "Send": func() { q.Send(bg, 1) }, "Recv": func() { q.Recv(bg) },
				"Event": func() { free.Wait(bg) }, "Select": func() { Select(bg) },
			} {
				mustPanic("background: "+what, "not its own", f)
			}
			if q.TrySend(1) || q.Len() != 0 {
				t.Error("the queue is not as it was")
			}
			if err := r.Close(); err == nil || !strings.Contains(err.Error(), "wait for itself") {
				t.Errorf("Close by a task: %v", err)
			}
		})
		free.Set()
		r.wait(h)
		for what, f := range methods {
			mustPanic("task is over: "+what, outside, func() { f(h.Task()) })
		}
		mustPanic("no backend", "Select with operations", func() { Select(context.Background(), Done(nil)) })
	})
}

// TestDerivedContextElsewhere guards that a goroutine that a coroutine started may wait with a
// context derived from the task's: it waits as a goroutine.
func TestDerivedContextElsewhere(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			q := NewQueue[int](0)
			ctx, cancel := context.WithCancel(task)
			defer cancel()
			takenFor := make(chan *Task)
			go func() { takenFor <- taskOf(ctx) }()
			// the task runs meanwhile: it keeps the thread
			if other := <-takenFor; other != nil || taskOf(ctx) != task {
				t.Errorf("a goroutine with a derived context is taken for %v, the task itself for %v", other,
					taskOf(ctx))
			}
			var wg WaitGroup
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := range 100 {
					if err := q.Send(ctx, i); err != nil {
						t.Error(err)
					}
				}
			}()
			for i := range 100 {
				if v, err := q.Recv(ctx); v != i || err != nil {
					t.Errorf("%d, %v", v, err)
				}
			}
			if err := wg.Wait(task); err != nil {
				t.Error(err)
			}
			cancel()
			if _, err := q.Recv(ctx); err != context.Canceled {
				t.Error(err)
			}
		})
	})
}

// TestReadyQueue guards the order of the queue while its ring grows and goes round.
func TestReadyQueue(t *testing.T) {
	var q readyQueue
	rng := rand.New(rand.NewPCG(1, 2))
	var want []*Task
	for range 10_000 {
		if rng.IntN(100) < 52 {
			want = append(want, new(Task))
			q.push(want[len(want)-1])
		} else if got := q.pop(); len(want) == 0 {
			if got != nil {
				t.Fatal("a task out of an empty queue")
			}
		} else if got != want[0] {
			t.Fatal("out of order")
		} else {
			want = want[1:]
		}
		if q.len() != len(want) || q.empty() != (len(want) == 0) {
			t.Fatalf("%d tasks, want %d", q.len(), len(want))
		}
		for i := range want {
			if q.at(i) != want[i] {
				t.Fatalf("task %d of %d is another", i, len(want))
			}
		}
	}
	for q.pop() != nil {
	}
	for _, left := range q.ring {
		if left != nil {
			t.Fatal("an empty queue keeps a task")
		}
	}
}

// TestRetryShare guards how many tasks the scheduler tries for at a time: no more than it may
// resume.
func TestRetryShare(t *testing.T) {
	for _, tt := range []struct{ ready, limit, want int }{
		{1, 32, 1}, {3, 32, 1}, {8, 32, 2}, {8, 1, 1}, {1000, 1000, maxRetries}, {1000, 5, 5},
	} {
		s := new(Scheduler)
		made := 0
		for range tt.ready {
			task := new(Task)
			task.retry.call, task.retry.p = func(int, []byte) int { made++; return made }, make([]byte, 1)
			s.ready.push(task)
		}
		if n := s.retry(tt.limit); n != tt.want || made != n {
			t.Errorf("%d of %d tasks, %d calls, want %d", n, tt.ready, made, tt.want)
		}
		for i := range tt.want {
			if res := s.ready.at(i).retry.res; res != i+1 {
				t.Errorf("task %d has the result of call %d", i, res)
			}
		}
	}
}
