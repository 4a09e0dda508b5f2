package coro

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestShutdownStuck guards that a Shutdown that runs out of time names the tasks that are left and
// can be repeated.
func TestShutdownStuck(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		var free Event
		started := make(chan struct{})
		Spawn(r.Scheduler, func(task *Task) (int, error) {
			h := Spawn(task, func(task *Task) (int, error) {
				close(started)
				task.Mask(func() { free.Wait(task) })
				return 0, nil
			}, Name("inner"))
			_, err := h.Wait(task)
			return 0, err
		}, Name("outer"))
		<-started
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err := r.Shutdown(ctx)
		var e *StuckError
		if !errors.As(err, &e) || !slices.Equal(e.Tasks, []string{"outer", "inner"}) ||
			!errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "inner") {
			t.Errorf("Shutdown: %v", err)
		}
		free.Set()
		if err := r.Shutdown(context.Background()); err != nil && err != ErrClosed {
			t.Error(err)
		}
	})
}

// TestShutdownTogether guards Shutdowns side by side, each of which has its own answer: those that
// run out of time name all tasks that are left, and those that do not wait for the end.
func TestShutdownTogether(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		const n = 8
		r.answers = patience
		var free Event
		Spawn(r.Scheduler, func(task *Task) (int, error) {
			task.Mask(func() { free.Wait(task) })
			return 0, nil
		}, Name("the first"))
		release, started := make(chan bool), make(chan struct{})
		Spawn(r.Scheduler, func(task *Task) (int, error) {
			close(started)
			<-release // the thread, until all have asked
			task.Mask(func() { free.Wait(task) })
			return 0, nil
		}, Name("the last"))
		<-started
		over, cancel := context.WithCancel(context.Background())
		cancel()
		stuck, ended := make(chan error, n), make(chan error, n)
		for range n {
			go func() { stuck <- r.Shutdown(over) }()
			go func() { ended <- r.Shutdown(context.Background()) }()
		}
		for asked := 0; asked < n; {
			asked = 0
			for l := r.listings.Load(); l != nil; l = l.next {
				asked++
			}
			runtime.Gosched()
		}
		release <- true
		for range n {
			var e *StuckError
			if err := <-stuck; !errors.As(err, &e) || !slices.Equal(e.Tasks, []string{"the last", "the first"}) {
				t.Errorf("out of time: %v", err)
			}
		}
		if len(ended) > 0 {
			t.Errorf("ended before the tasks: %v", <-ended)
		}
		free.Set()
		for range n {
			if err := <-ended; err != nil && err != ErrClosed {
				t.Error(err)
			}
		}
	})
}
