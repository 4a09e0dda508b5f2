package coro

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weirgo/weir/aio/op"
)

// TestSelectMeetsItself guards a Select with both ends of one unbuffered Queue: it does not meet
// itself, as Go's select does not, waits without turning in circles, ends like any other, and meets
// others at either end.
func TestSelectMeetsItself(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		q := NewQueue[int](0)
		both := func(ctx context.Context, v *int, more ...Case) (int, error) {
			return Select(ctx, append([]Case{RecvFrom(q, v, nil), SendTo(q, 7, nil), RecvFrom(q, v, nil)}, more...)...)
		}
		r.do(func(task *Task) {
			var v int
			if i, err := both(task, &v, After(time.Millisecond)); i != 3 || err != nil {
				t.Errorf("alone: case %d, %v", i, err)
			}
			h := failing(task, func(task *Task) error { _, err := both(task, &v); return err })
			waiting(task, h)
			resumed := r.resumed
			for range 5 {
				task.Yield()
			}
			if n := r.resumed - resumed; n > 5 {
				t.Errorf("a Select that waits was resumed: %d turns for 5 of another task", n)
			}
			h.task.cancel(ErrCanceled)
			if _, err := h.Wait(task); err != ErrCanceled {
				t.Errorf("cancelled: %v", err)
			}

			h = failing(task, func(task *Task) error {
				i, err := both(task, &v)
				if i != 0 || v != 5 {
					t.Errorf("beside a Send: case %d, received %d", i, v)
				}
				return err
			})
			waiting(task, h)
			if err := q.Send(task, 5); err != nil {
				t.Error(err)
			}
			h.Wait(task)
			h = failing(task, func(task *Task) error {
				i, err := both(task, &v)
				if i != 1 {
					t.Errorf("beside a Recv: case %d", i)
				}
				return err
			})
			waiting(task, h)
			if got, err := q.Recv(task); got != 7 || err != nil {
				t.Error(got, err)
			}
			h.Wait(task)

			var w int
			first, second := -1, -1
			h = failing(task, func(task *Task) (err error) { first, err = both(task, &v); return err })
			waiting(task, h)
			second, err := both(task, &w)
			if h.Wait(task); err != nil || min(first, second) != 0 || max(first, second) != 1 || max(v, w) != 7 {
				t.Errorf("two of them: cases %d and %d, %v", first, second, err)
			}
			if q.senders.first != nil || q.receivers.first != nil {
				t.Error("a waiter still stands in line")
			}
		})
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Millisecond, cancel)
		var v int
		if i, err := both(ctx, &v); i != -1 || err != context.Canceled {
			t.Errorf("goroutine: case %d, %v", i, err)
		}
	})
}

// restless is a case that can happen whenever it is entered and never does when it is tried.
type restless struct {
	wonCase
	rounds int
	each   func(round int)
}

func (c *restless) enter(*Task, *waiter) bool {
	c.rounds++
	c.each(c.rounds)
	return true
}

// TestSelectRounds guards that a Select which has to try again and again looks for the end of its
// context and of its task, and lets other tasks run.
func TestSelectRounds(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(context.Background())
		third := func(f func()) Case {
			return &restless{each: func(round int) {
				if round == 3 {
					f()
				}
			}}
		}
		if i, err := Select(ctx, third(cancel)); i != -1 || err != context.Canceled {
			t.Errorf("goroutine: case %d, %v", i, err)
		}
		r.do(func(task *Task) {
			ctx, cancel := context.WithCancel(task)
			if i, err := Select(ctx, third(cancel)); i != -1 || err != context.Canceled {
				t.Errorf("case %d, %v", i, err)
			}
			var h *Handle[int]
			ran := 0
			h = failing(task, func(task *Task) error {
				_, err := Select(task, third(func() { go h.Cancel() }))
				return err
			})
			other := child(task, func(task *Task) {
				for ; !h.Over(); ran++ {
					task.Yield()
				}
			})
			if _, err := h.Wait(task); err != ErrCanceled {
				t.Errorf("cancelled by another thread: %v", err)
			}
			if other.Wait(task); ran == 0 {
				t.Error("no other task has run")
			}
		})
	})
}

// TestSelectNil guards cases of nothing, which never happen, and results that are not asked for.
func TestSelectNil(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			var none *Queue[int]
			var never context.Context
			nothing := []Case{nil, RecvFrom(none, nil, nil), SendTo(none, 1, nil), IsSet(nil), Ended[int](nil),
				DoneOf(never)}
			if i, err := Select(task, append(nothing, After(time.Microsecond))...); i != len(nothing) || err != nil {
				t.Errorf("case %d, %v", i, err)
			}
			q := NewQueue[int](1)
			q.TrySend(1)
			if i, err := Select(task, nil, RecvFrom(q, nil, nil)); i != 1 || err != nil || q.Len() != 0 {
				t.Errorf("case %d, %v, %d values are left", i, err, q.Len())
			}
			h := failing(task, func(task *Task) error {
				_,
					err := Select(task, nil, RecvFrom(q, nil, nil))
				return err
			})
			waiting(task, h)
			if err := q.Send(task, 2); err != nil || q.Len() != 0 {
				t.Errorf("%v, %d values are left", err, q.Len())
			}
			h.Wait(task)
			if err := Done(nil, nil); err == nil {
				t.Error("no case of no operations")
			}
		})
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Microsecond, cancel)
		if i, err := Select(ctx, nil, IsSet(nil)); i != -1 || err != context.Canceled {
			t.Errorf("goroutine: case %d, %v", i, err)
		}
	})
}

// TestSelectTwice guards a Select that lists a case twice: it happens once, as the first of them,
// and leaves nothing behind.
func TestSelectTwice(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		rd, _ := r.pipe()
		r.do(func(task *Task) {
			q, full := NewQueue[int](0), NewQueue[int](1)
			full.TrySend(0)
			var v int
			var e Event
			ctx, cancel := context.WithCancel(context.Background())
			once := []Case{
				RecvFrom(q, &v, nil), SendTo(full, 1, nil), IsSet(&e), DoneOf(ctx), After(time.Hour),
				Done(nil, r.never(rd)),
			}
			if r.sim != nil {
				once[4] = nil // a simulated clock does not wait for what another thread does
			}
			twice := append(once[:len(once):len(once)], once...)
			for want, f := range []func(){func() { q.Send(task, 9) }, func() { full.Recv(task) }, e.Set, cancel} {
				h := failing(task, func(task *Task) error {
					i, err := Select(task, twice...)
					if i != want {
						t.Errorf("case %d, want %d", i, want)
					}
					return err
				})
				waiting(task, h)
				f()
				if _, err := h.Wait(task); err != nil {
					t.Error(err)
				}
				e.Reset()
			}
			if v != 9 || full.Len() != 1 {
				t.Errorf("received %d, %d values were sent", v, full.Len())
			}
			if n := r.Stats().Tasks; n != 1 {
				t.Errorf("%d tasks are left", n-1)
			}
			after := After(time.Microsecond)
			if i, err := Select(task, after, after); i != 0 || err != nil {
				t.Errorf("case %d, %v", i, err)
			}
			if q.receivers.first != nil || full.senders.first != nil || e.line.first != nil {
				t.Error("a Select that is over stands in line")
			}
		})
		after := After(time.Microsecond)
		if i, err := Select(context.Background(), after, after); i != 0 || err != nil {
			t.Errorf("goroutine: case %d, %v", i, err)
		}
	})
}

// TestSelectSharedCase guards that a case which another Select waits with is refused, and that the
// other is not touched.
func TestSelectSharedCase(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			q, full := NewQueue[int](0), NewQueue[int](1)
			full.TrySend(0)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var pass op.Event
			for what, c := range map[string]Case{
				"recv": RecvFrom(q, nil, nil), "send": SendTo(full, 1, nil), "context": DoneOf(ctx),
				"time": After(time.Hour * 1e4), "operation": Done(nil, op.EventWait(&pass)),
			} {
				other := failing(task, func(task *Task) error {
					i, err := Select(task, c, IsSet(new(Event)))
					if i != 0 && what != "time" {
						t.Errorf("%s: case %d", what, i)
					}
					return err
				})
				waiting(task, other)
				task.Yield()
				func() {
					defer func() {
						if v, _ := recover().(string); !strings.Contains(v, "another one waits with") {
							t.Errorf("%s: panic %q", what, v)
						}
					}()
					Select(task, c)
				}()
				switch what {
				case "recv":
					q.Send(task, 1)
				case "send":
					full.Recv(task)
				case "context":
					cancel()
				case "time":
					other.Cancel()
					if _, err := other.Wait(task); !errors.Is(err, ErrCanceled) {
						t.Errorf("time: %v", err)
					}
				case "operation":
					task.Yield()
					if c.(*opCase).h == nil || c.(*opCase).h.task.own.cause != nil {
						t.Error("the operation of another Select was cancelled")
					}
					pass.Notify()
				}
				other.Wait(task)
			}
		})
	})
}

// TestDoneCopiesList: the list that Done was given may be used for another case, and is by loops
// that make many.
func TestDoneCopiesList(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			var first, second op.Event
			var errFirst, errSecond error
			list := []*op.Op{op.EventWait(&first)}
			a := Done(&errFirst, list...)
			list = append(list[:0], op.EventWait(&second))
			b := Done(&errSecond, list...)
			clear(list)
			first.Notify()
			if i, err := Select(task, a, b); i != 0 || err != nil {
				t.Errorf("case %d, %v", i, err)
			}
			if !errors.Is(errSecond, context.Canceled) || errFirst != nil {
				t.Errorf("the first: %v, the second: %v", errFirst, errSecond)
			}
		})
	})
}
