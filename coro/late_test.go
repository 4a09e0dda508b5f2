package coro

import (
	"context"
	"errors"
	"testing"
	"time"
)

// The tests of this file set up by hand what otherwise takes two threads and bad luck.

// TestLateContext guards that a context whose end is reported after the wait it was for touches no
// later one, and does not hide the end of a later one's context.
func TestLateContext(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			old, cancel := context.WithCancel(context.Background())
			h := child(task, func(*Task) {})
			h2 := failing(task, func(task *Task) error {
				if err := h.task.ended.Wait(context.WithValue(task, taskKey{}, task)); err != nil {
					t.Error(err)
				}
				stop := task.follow(old)
				wait := task.waits
				task.unfollow(stop)
				var e Event
				child(task, func(late *Task) { // as if the report had been on its way
					task.watch.Store(wait)
					task.contextEnded()
					late.Yield()
					e.Set()
				})
				if err := e.Wait(task); err != nil || !e.IsSet() {
					t.Errorf("a wait without a context of its own: %v, and what it waits for is there: %v", err,
						e.IsSet())
				}

				task.follow(old) // as if it could not be stopped any more
				task.waits++
				newer, cancelNewer := context.WithCancel(context.Background())
				defer cancelNewer()
				stop = task.follow(newer)
				wait = task.waits
				task.watch.Store(wait) // newer's end has been reported
				task.asks.Store(0)
				cancel() // and now old's is
				for task.asks.Load()&askContext == 0 {
					time.Sleep(time.Microsecond)
				}
				if task.watch.Load() != wait {
					t.Error("an older context has hidden the end of a newer one")
				}
				task.unfollow(stop)
				return task.Yield()
			})
			h.Wait(task)
			if _, err := h2.Wait(task); err != nil {
				t.Error(err)
			}
		})
	})
}

// wonCase is a case that happens, on another thread as it were, while the others are being entered.
type wonCase struct{ t *testing.T }

func (c wonCase) try(*Task) bool       { return false }
func (c wonCase) leave(*Task, *waiter) {}
func (c wonCase) end(*Task)            {}
func (c wonCase) enter(t *Task, w *waiter) bool {
	if !w.claim() {
		c.t.Error("cannot be claimed")
	}
	child(t, func(*Task) { w.wake(t.s) })
	return false
}

// againCase can happen while it is being entered.
type againCase struct{ wonCase }

func (c againCase) enter(*Task, *waiter) bool { return true }

// TestSelectWonMeanwhile guards a Select that wants to try again when one of its cases has happened
// already: that counts, and its wake-up is waited for.
func TestSelectWonMeanwhile(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			for range 3 {
				if i, err := Select(task, IsSet(new(Event)), wonCase{t}, againCase{wonCase{t}}); i != 1 || err != nil {
					t.Errorf("case %d, %v", i, err)
				}
			}
		})
	})
}

// TestSelectMeetsWaiting guards that a case which finds the other side waiting when it is entered
// has Select try again: two that only stood in line would wait for ever.
func TestSelectMeetsWaiting(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			q := NewQueue[int](0)
			s := failing(task, func(task *Task) error { return q.Send(task, 1) })
			waiting(task, s)
			var v int
			w := &waiter{task: task, sel: &selection{}}
			if !RecvFrom(q, &v, nil).enter(task, w) || w.in != nil {
				t.Error("a receiver stands in line beside a sender")
			}
			if got, err := q.Recv(task); got != 1 || err != nil {
				t.Error(got, err)
			}
			g := failing(task, func(task *Task) error { _, err := q.Recv(task); return err })
			waiting(task, g)
			if !SendTo(q, 2, nil).enter(task, w) || w.in != nil {
				t.Error("a sender stands in line beside a receiver")
			}
			q.Send(task, 2)
			g.Wait(task)
			q.Close()
			if !RecvFrom(q, &v, nil).enter(task, w) || !SendTo(q, 2, nil).enter(task, w) {
				t.Error("stands in line at a closed queue")
			}
			var e Event
			e.Set()
			if !IsSet(&e).enter(task, w) {
				t.Error("waits for an event that is set")
			}
		})
	})
}

// TestLaneWait guards the waits of package aio's: a cancellation that comes when the wake-up is on
// its way does nothing, one that comes first ends the wait, and without disarm none does.
func TestLaneWait(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			var wake func()
			for _, c := range []struct {
				disarm func() bool
				want   error
			}{{func() bool { return false }, nil}, {nil, nil}, {func() bool { return true }, ErrCanceled}} {
				h := failing(task, func(task *Task) error {
					return task.waiter.Wait(context.Background(), func(w func()) { wake = w }, c.disarm)
				})
				waiting(task, h)
				h.task.cancel(ErrCanceled)
				task.Yield()
				if c.want == nil {
					if h.Over() {
						t.Error("over before it was woken")
					}
					go wake()
				}
				if _, err := h.Wait(task); !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
			}
		})
	})
}
