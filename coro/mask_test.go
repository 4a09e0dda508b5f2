package coro

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// TestMaskEveryWait guards that a cancellation which comes while a task waits under a Mask, in
// whatever way, neither ends the wait nor reaches children that were spawned for it, and counts as
// soon as the Mask is over.
func TestMaskEveryWait(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		for what, wait := range waits(r) {
			if what == "derived" {
				continue // the context is the task's, which is done
			}
			r.do(func(task *Task) {
				var inside, outside error
				var inner *scope
				h := child(task, func(task *Task) {
					task.Mask(func() {
						inner = &scope{up: task.scope}
						task.scope = inner
						inside = wait(task)
						task.scope = inner.up
					})
					outside = wait(task)
				})
				waiting(task, h)
				h.Cancel()
				for h.Task().Err() == nil {
					task.Yield()
				}
				task.Yield()
				if h.task.state != stateWaiting || h.task.scope != inner {
					t.Errorf("%s: ended in spite of the Mask, with %v", what, inside)
				}
				for c := h.task.youngest; c != nil; c = c.older {
					if c.own.cause != nil {
						t.Errorf("%s: a child was cancelled in spite of the Mask", what)
					}
				}
				h.task.cancelScope(inner, ErrTimeout) // as a Timeout inside of it
				if h.Wait(task); inside == nil || !errors.Is(outside, ErrCanceled) {
					t.Errorf("%s: inside %v, outside %v", what, inside, outside)
				}
			})
		}
	})
}

// TestMaskChildren guards children that were spawned under a Mask and go on when it is over: they
// are cancelled then, newest first, if the task was, or by what comes later; those spawned before
// are cancelled at once.
func TestMaskChildren(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			var order []int
			var leave, again Event
			note := func(i int) func(task *Task) error {
				return func(task *Task) error { err := forever(task); order = append(order, i); return err }
			}
			h := child(task, func(task *Task) {
				failing(task, note(0))
				task.Mask(func() {
					failing(task, note(1))
					task.Mask(func() {
						failing(task, note(2))
						leave.Wait(task)
					})
					again.Wait(task)
				})
				forever(task)
			})
			step := func(want ...int) {
				t.Helper()
				for range 5 { // turns of the loop, by which Event.Set reaches a task
					task.Sleep(time.Microsecond)
				}
				if !slices.Equal(order, want) {
					t.Errorf("cancelled %v, want %v", order, want)
				}
			}
			step()
			h.task.cancel(ErrCanceled)
			step(0)
			leave.Set()
			step(0)
			again.Set()
			step(0, 2, 1)
			h.Wait(task)

			order = nil
			h = failing(task, func(task *Task) error {
				task.Mask(func() { failing(task, note(3)) })
				task.Yield()
				return errors.New("x")
			})
			if h.Wait(task); !slices.Equal(order, []int{3}) {
				t.Errorf("a task that failed has cancelled %v of its children", order)
			}
			order = nil
			err := task.Timeout(time.Millisecond, func() error {
				task.Mask(func() {
					failing(task, note(4))
					task.Sleep(3 * time.Millisecond)
					if len(order) != 0 {
						t.Error("a Timeout has cancelled what is under a Mask in it")
					}
				})
				return task.Yield()
			})
			step(4)
			if err != ErrTimeout {
				t.Error(err)
			}
		})
	})
}

// TestTimeoutGroup guards Group.Wait in a Timeout: tasks of the group that were spawned before it
// go on, and Wait ends and can be called again; where all were spawned in it, or the task itself is
// cancelled, Wait waits for their end.
func TestTimeoutGroup(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			var free Event
			ended := 0
			member := func(task *Task) error { err := free.Wait(task); ended++; return err }
			g := NewGroup(task)
			g.Go(member)
			for _, d := range []time.Duration{time.Millisecond, 0} {
				if err := task.Timeout(d, g.Wait); err != ErrTimeout || ended != 0 {
					t.Errorf("%v: %v, %d of the group have ended", d, err, ended)
				}
			}
			err := task.Timeout(time.Millisecond, func() error {
				err := task.Timeout(time.Hour*1e4, g.Wait)
				return errors.Join(err, g.Wait())
			})
			if err != ErrTimeout || ended != 0 {
				t.Errorf("nested: %v, %d of the group have ended", err, ended)
			}
			free.Set()
			if err := g.Wait(); err != nil || ended != 1 {
				t.Errorf("%v, %d of the group have ended", err, ended)
			}
			free.Reset()

			slow := func(task *Task) error {
				err := member(task)
				task.Mask(func() { task.Sleep(time.Millisecond) })
				ended++
				return err
			}
			stranger := failing(task, forever)
			defer stranger.Cancel()
			ended = 0
			g = NewGroup(task)
			err = task.Timeout(time.Millisecond, func() error {
				g.Go(slow)
				g.Go(member)
				return g.Wait()
			})
			if err != ErrTimeout || ended != 3 {
				t.Errorf("spawned in it: %v, and not all have ended: %d", err, ended)
			}

			ended = 0
			g = NewGroup(task)
			g.Go(member)
			err = task.Timeout(time.Millisecond, func() error {
				g.Go(member)
				return g.Wait()
			})
			if err != ErrTimeout {
				t.Errorf("spawned before and in it: %v", err)
			}
			if err := g.Wait(); !errors.Is(err, ErrCanceled) || ended != 2 { // as one of the group has failed
				t.Errorf("one of the group was cancelled: %v, %d have ended", err, ended)
			}

			for _, before := range []func(task *Task) error{func(*Task) error { return nil }, forever} {
				ended = 0
				h := failing(task, func(task *Task) error {
					g := NewGroup(task)
					g.Go(slow)
					before(task)
					err := g.Wait()
					if ended != 2 {
						t.Error("Wait has not waited for the tasks of a cancelled group")
					}
					return err
				})
				waiting(task, h)
				h.task.cancel(ErrCanceled)
				if _, err := h.Wait(task); !errors.Is(err, ErrCanceled) {
					t.Error(err)
				}
			}
		})
	})
}
