package coro

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends/sim"
	aiort "github.com/weirgo/weir/runtime"
)

// pipe returns a pipe of the rig's kernel.
func (r *rig) pipe() (rd, wr int) {
	if r.sim != nil {
		return r.sim.Pipe()
	}
	rf, wf, err := os.Pipe()
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { rf.Close(); wf.Close() })
	return int(rf.Fd()), int(wf.Fd())
}

// never returns an operation that is never over by itself: a read of an empty pipe, or where there
// are no operations on descriptors (Windows) one that every system has.
func (r *rig) never(rd int) *op.Op {
	if r.sim == nil && runtime.GOOS == "windows" {
		return op.EventWait(new(op.Event))
	}
	return op.Read(rd, make([]byte, 1), op.Stream)
}

// waits are all the ways in which a task can wait, each of them for what never comes.
func waits(r *rig) map[string]func(t *Task) error {
	rd, _ := r.pipe()
	never := r.spawn(func(t *Task) { forever(t) })
	full := NewQueue[int](1)
	full.TrySend(1)
	var locked Mutex
	locked.TryLock()
	var writing, reading RWMutex
	writing.TryLock()
	reading.TryRLock()
	sem := NewSemaphore(1)
	sem.TryAcquire(1)
	var wg WaitGroup
	wg.Add(1)
	var once Once
	r.spawn(func(t *Task) { once.Do(t, func() { forever(t) }) })
	return map[string]func(t *Task) error{
		"do": func(t *Task) error { return t.Do(r.never(rd)) },
		"chain": func(t *Task) error {
			return t.Do(op.Nop(), r.never(rd).Link(), op.Nop())
		},
		"event":     forever,
		"send":      func(t *Task) error { return full.Send(t, 2) },
		"recv":      func(t *Task) error { _, err := NewQueue[int](1).Recv(t); return err },
		"mutex":     func(t *Task) error { return locked.Lock(t) },
		"write":     func(t *Task) error { return writing.Lock(t) },
		"read":      func(t *Task) error { return writing.RLock(t) },
		"upgrade":   func(t *Task) error { return reading.Lock(t) },
		"semaphore": func(t *Task) error { return sem.Acquire(t, 1) },
		"waitgroup": func(t *Task) error { return wg.Wait(t) },
		"once":      func(t *Task) error { return once.Do(t, func() {}) },
		"handle":    func(t *Task) error { _, err := never.Wait(t); return err },
		"children":  func(t *Task) error { _, err := failing(t, forever).Wait(t); return err },
		"select": func(t *Task) error {
			_, err := Select(t, IsSet(new(Event)), RecvFrom(NewQueue[int](0), new(int), nil), SendTo(full, 1, nil),
				Ended(never), DoneOf(never.Task()))
			return err
		},
		"select op": func(t *Task) error {
			_, err := Select(t, Done(nil, r.never(rd)))
			return err
		},
		"select none": func(t *Task) error { _, err := Select(t); return err },
		"race": func(t *Task) error {
			_, err := Race(t, func(t *Task) (int, error) { return 0, forever(t) })
			return err
		},
		"group": func(t *Task) error {
			g := NewGroup(t)
			g.Go(forever)
			return g.Wait()
		},
		"group limit": func(t *Task) error {
			g := NewGroup(t)
			g.SetLimit(1)
			g.Go(forever)
			return errors.Join(g.Go(forever), g.Wait())
		},
		"blocking": func(t *Task) error {
			_, err := Blocking(t, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
			return err
		},
		"derived": func(t *Task) error {
			ctx, cancel := context.WithCancel(t)
			defer cancel()
			return new(Event).Wait(ctx)
		},
	}
}

// TestCancelEveryWait guards that a cancellation ends every kind of wait, also one that comes
// before it, by Cancel, by the parent, by a Timeout around it and by a context; that it is not
// forgotten; and that under Mask none of them is ended.
func TestCancelEveryWait(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		for what, wait := range waits(r) {
			r.do(func(task *Task) {
				again := make([]error, 2)
				h := failing(task, func(task *Task) error {
					err := wait(task)
					again[0], again[1] = wait(task), task.Yield()
					return err
				})
				waiting(task, h)
				h.Cancel()
				if _, err := h.Wait(task); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: cancelled: %v", what, err)
				}
				for _, err := range again {
					if !errors.Is(err, context.Canceled) {
						t.Errorf("%s: after it was cancelled: %v", what, err)
					}
				}

				h = failing(task, wait)
				h.task.cancel(ErrCanceled)
				if _, err := h.Wait(task); !errors.Is(err, ErrCanceled) && !errors.Is(err, context.Canceled) {
					t.Errorf("%s: cancelled before it began: %v", what, err)
				}

				if err := task.Timeout(time.Millisecond, func() error { return wait(task) }); err != ErrTimeout {
					t.Errorf("%s: in a Timeout: %v", what, err)
				}
				if err := task.Timeout(0, func() error { return wait(task) }); err != ErrTimeout {
					t.Errorf("%s: in a Timeout of nothing: %v", what, err)
				}
				if err := task.Yield(); err != nil {
					t.Errorf("%s: after a Timeout: %v", what, err)
				}
			})
		}
	})
}

// TestMask guards that cancellation waits until a Mask is over, and that a Timeout inside of one
// works.
func TestMask(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		for what, wait := range waits(r) {
			var inner, after error
			h := r.spawn(func(task *Task) {
				task.own.cause = ErrCanceled
				task.Mask(func() {
					if err := task.Sleep(time.Microsecond); err != nil {
						t.Errorf("masked: %v", err)
					}
					if what != "derived" {
						inner = task.Timeout(time.Millisecond, func() error { return wait(task) })
					}
				})
				after = wait(task)
			})
			r.wait(h)
			if what != "derived" && inner != ErrTimeout {
				t.Errorf("%s: a Timeout in a Mask: %v", what, inner)
			}
			if !errors.Is(after, context.Canceled) {
				t.Errorf("%s: after the Mask: %v", what, after)
			}
		}
		// What waits in the Mask when the cancellation comes goes on to wait.
		var free Event
		r.do(func(task *Task) {
			var inside, outside error
			h := child(task, func(task *Task) {
				task.Mask(func() { inside = free.Wait(task) })
				outside = task.Yield()
			})
			waiting(task, h)
			h.Cancel()
			for h.Task().Err() == nil {
				task.Yield()
			}
			if h.Over() || h.task.state != stateWaiting {
				t.Error("over in spite of the Mask")
			}
			free.Set()
			h.Wait(task)
			if inside != nil || !errors.Is(outside, ErrCanceled) {
				t.Errorf("inside %v, outside %v", inside, outside)
			}
		})
	})
}

// TestCancelOrder guards that children are cancelled before what the task waits for, newest first,
// at every depth, and that those of a Timeout's scope are cancelled alone.
func TestCancelOrder(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		var order []int
		note := func(i int) func(task *Task) error {
			return func(task *Task) error { err := forever(task); order = append(order, i); return err }
		}
		r.do(func(task *Task) {
			h := failing(task, func(task *Task) error {
				failing(task, note(1))
				c := failing(task, func(task *Task) error {
					failing(task, note(2))
					failing(task, note(3))
					return note(4)(task)
				})
				failing(task, note(5))
				waiting(task, c)
				return note(6)(task)
			})
			waiting(task, h)
			h.Cancel()
			h.Wait(task)
			if want := []int{5, 3, 2, 4, 1, 6}; !slices.Equal(order, want) {
				t.Errorf("order %v, want %v", order, want)
			}

			before := failing(task, forever)
			var inside, adopted *Handle[int]
			if err := task.Timeout(time.Millisecond, func() error {
				inside = failing(task, forever)
				return forever(task)
			}); err != ErrTimeout {
				t.Error(err)
			}
			if _, err := inside.Wait(task); err != ErrCanceled {
				t.Errorf("a child of the Timeout: %v", err)
			}
			task.Timeout(time.Millisecond, func() error { adopted = failing(task, forever); return nil })
			task.Sleep(3 * time.Millisecond)
			if before.Over() || adopted.Over() {
				t.Error("a Timeout has cancelled children that are not of it")
			}
			before.Cancel()
			adopted.Cancel()
		})
	})
}

// TestTimeout guards what a Timeout returns, nested and beside a cancellation.
func TestTimeout(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		want := errors.New("x")
		r.do(func(task *Task) {
			if err := task.Timeout(time.Hour, func() error { return want }); err != want {
				t.Error(err)
			}
			if err := task.Timeout(time.Nanosecond, func() error { forever(task); return nil }); err != nil {
				t.Errorf("succeeded all the same: %v", err)
			}
			err := task.Timeout(time.Nanosecond, func() error { return forever(task) })
			var ne net.Error
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, os.ErrDeadlineExceeded) ||
				!errors.As(err, &ne) || !ne.Timeout() {
				t.Errorf("ErrTimeout is %v", err)
			}
			inner := error(nil)
			err = task.Timeout(time.Millisecond, func() error {
				inner = task.Timeout(time.Hour, func() error { return forever(task) })
				return inner
			})
			if err != ErrTimeout || inner != ErrTimeout {
				t.Errorf("the outer one: %v, %v", err, inner)
			}
			err = task.Timeout(time.Hour, func() error {
				if err := task.Timeout(time.Millisecond, func() error { return forever(task) }); err != ErrTimeout {
					t.Errorf("the inner one: %v", err)
				}
				return task.Yield()
			})
			if err != nil {
				t.Error(err)
			}
			h := failing(task, func(task *Task) error {
				return task.Timeout(time.Hour*1e4, func() error { return forever(task) })
			})
			waiting(task, h)
			h.task.cancel(ErrCanceled)
			if _, err := h.Wait(task); err != ErrCanceled {
				t.Errorf("cancelled in a Timeout: %v", err)
			}
			func() {
				defer func() { recover() }()
				task.Timeout(time.Hour, func() error { panic(1) })
			}()
			if task.scope != &task.own {
				t.Error("a panic has left the scope")
			}
		})
	})
}

// TestContextOfWait guards waits with a context of their own: its end ends that wait and nothing
// else, also when it comes late.
func TestContextOfWait(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		why := errors.New("why")
		r.do(func(task *Task) {
			ctx, cancel := context.WithCancelCause(task)
			h := child(task, func(*Task) { cancel(why) })
			if err := new(Event).Wait(ctx); err != why {
				t.Error(err)
			}
			if err := new(Event).Wait(ctx); err != why {
				t.Errorf("ended before: %v", err)
			}
			h.Wait(task)
			// Contexts that end about when the wait does must not end the next one.
			for range scale(500) {
				ctx, cancel := context.WithCancel(task)
				var e Event
				go cancel()
				child(task, func(*Task) { e.Set() })
				if err := e.Wait(ctx); err != nil && err != context.Canceled {
					t.Fatal(err)
				}
				if err := task.Sleep(time.Microsecond); err != nil {
					t.Fatalf("the next wait: %v", err)
				}
				var e2 Event
				ctx2, cancel2 := context.WithCancel(task)
				child(task, func(*Task) { e2.Set() })
				if err := e2.Wait(ctx2); err != nil {
					t.Fatalf("the next wait with a context: %v", err)
				}
				cancel2()
			}
		})
	})
}

// TestCancelStorm guards that tasks in trees, in all kinds of waits and cancelled from all sides at
// random times, all end, and that no token, lock or value is lost.
func TestCancelStorm(t *testing.T) {
	for seed := range uint64(scale(60)) {
		r := onSim(t, sim.Config{Seed: seed, Trace: -1}, aiort.Options{MaxInFlight: 8}, Options{Budget: 1 + int(seed%5),
			IdleWorkers: int(seed % 3)})
		rd, wr := r.pipe()
		var mu Mutex
		var rw RWMutex
		sem := NewSemaphore(2)
		q := NewQueue[int](int(seed % 3))
		held, tokens, readers, writers := 0, 0, 0, 0
		rng := rand.New(rand.NewPCG(seed, 1))
		var live []*Handle[int]
		var tree func(task *Task, depth int)
		tree = func(task *Task, depth int) {
			for task.cancelled() == nil {
				switch rng.IntN(16) {
				case 0:
					if mu.Lock(task) == nil {
						if held++; held != 1 {
							t.Errorf("seed %d: %d hold the Mutex", seed, held)
						}
						task.Yield()
						held--
						mu.Unlock()
					}
				case 1:
					if sem.Acquire(task, 1) == nil {
						if tokens++; tokens > 2 {
							t.Errorf("seed %d: %d tokens", seed, tokens)
						}
						task.Yield()
						tokens--
						sem.Release(1)
					}
				case 2:
					if rw.RLock(task) == nil {
						readers++
						task.Yield()
						if readers--; writers != 0 {
							t.Errorf("seed %d: read and written", seed)
						}
						rw.RUnlock()
					}
				case 3:
					if rw.Lock(task) == nil {
						writers++
						task.Yield()
						if writers--; writers != 0 || readers != 0 {
							t.Errorf("seed %d: read and written", seed)
						}
						rw.Unlock()
					}
				case 4:
					q.Send(task, 1)
				case 5:
					q.Recv(task)
				case 6:
					task.Sleep(time.Duration(rng.IntN(1000)))
				case 7:
					task.Do(op.Read(rd, make([]byte, 1), op.Stream))
				case 8:
					task.Do(op.Write(wr, make([]byte, 1), op.Stream), op.Nop())
				case 9:
					task.Timeout(time.Duration(rng.IntN(1000)), func() error { _, err := q.Recv(task); return err })
				case 10:
					var v int
					Select(task, RecvFrom(q, &v, nil), After(time.Duration(rng.IntN(100))),
						Done(nil, op.Read(rd, make([]byte, 1), op.Stream)))
				case 11:
					task.Mask(func() { task.Sleep(time.Duration(rng.IntN(100))) })
				case 12, 13:
					if depth < 3 {
						live = append(live, child(task, func(task *Task) { tree(task, depth+1) }))
					}
				case 14:
					if n := len(live); n > 0 {
						live[rng.IntN(n)].task.cancel(ErrCanceled)
					}
				case 15:
					if depth > 0 && rng.IntN(3) == 0 {
						return
					}
				}
				task.verify(t, seed)
			}
		}
		h := r.spawn(func(task *Task) {
			for range 6 {
				child(task, func(task *Task) { tree(task, 0) })
			}
			for range 200 {
				task.Yield()
			}
			for c := task.youngest; c != nil; c = c.older {
				c.cancel(ErrCanceled)
			}
		})
		r.wait(h)
		if !mu.TryLock() || !rw.TryLock() || !sem.TryAcquire(2) {
			t.Errorf("seed %d: a lock or a token was lost", seed)
		}
		if q.receivers.first != nil || q.senders.first != nil {
			t.Errorf("seed %d: somebody still stands in line", seed)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			return
		}
	}
}

// verify is the model: what must hold of all tasks whenever one of them runs.
func (t *Task) verify(tb testing.TB, seed uint64) {
	tb.Helper()
	s := t.s
	queued := map[*Task]bool{}
	for i := range s.ready.len() {
		u := s.ready.at(i)
		if queued[u] || u.state != stateReady {
			tb.Errorf("seed %d: the ready queue holds a task twice, or one that is %v", seed, u.state)
			return
		}
		queued[u] = true
	}
	var walk func(f *family, parent *Task)
	walk = func(f *family, parent *Task) {
		n := 0
		for u := f.youngest; u != nil; u = u.older {
			n++
			if u.of != f || u.parent != parent || u.older != nil && u.older.newer != u {
				tb.Errorf("seed %d: a family is torn", seed)
				return
			}
			if ready := u.state == stateReady; ready != queued[u] {
				tb.Errorf("seed %d: a task that is %v is in the ready queue: %v", seed, u.state, queued[u])
			}
			if running := u.state == stateRunning; running != (u == t) {
				tb.Errorf("seed %d: two tasks run", seed)
			}
			if u.state == stateDone || u.state == stateNew {
				tb.Errorf("seed %d: a task that is %v has a family", seed, u.state)
			}
			if u.worker != nil && u.worker.task != u {
				tb.Errorf("seed %d: a worker works for another", seed)
			}
			if parent != nil && parent.own.cause != nil && u.own.cause == nil && u.born.within(&parent.own) {
				tb.Errorf("seed %d: a cancelled parent has a child that is not", seed)
			}
			walk(&u.family, u)
		}
		if n != f.children {
			tb.Errorf("seed %d: %d children are counted as %d", seed, n, f.children)
		}
	}
	walk(&s.family, nil)
}
