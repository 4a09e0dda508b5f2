package coro_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/coro"
)

// panicOf is the text of the panic of f.
func panicOf(f func()) (text string) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer func() {
			if r := recover(); r != nil {
				text = fmt.Sprint(r)
			}
		}()
		f()
	}()
	select {
	case <-over:
	case <-time.After(20 * time.Second):
		panic("it does not return")
	}
	return text
}

// TestZeroScheduler: a Scheduler that New has not made panics with that, and so does a task that
// Spawn has not.
func TestZeroScheduler(t *testing.T) {
	ctx := context.Background()
	for _, s := range []*coro.Scheduler{nil, new(coro.Scheduler)} {
		for what, f := range map[string]func(){
			"Spawn":    func() { coro.Spawn(s, func(*coro.Task) (int, error) { return 0, nil }).Wait(ctx) },
			"Run":      func() { s.Run(ctx) },
			"Close":    func() { s.Close() },
			"Shutdown": func() { s.Shutdown(ctx) },
			"Stats":    func() { s.Stats() },
			"IO":       func() { s.IO() },
		} {
			if got := panicOf(f); !strings.Contains(got, "coro: use of a Scheduler that is nil or zero") {
				t.Errorf("%s of %+v: panic %q", what, s, got)
			}
		}
	}
	for _, task := range []*coro.Task{nil, new(coro.Task)} {
		for what, f := range map[string]func(){
			"Spawn": func() { coro.Spawn(task, func(*coro.Task) (int, error) { return 0, nil }) },
			"Sleep": func() { task.Sleep(time.Nanosecond) },
			"Yield": func() { task.Yield() },
		} {
			if got := panicOf(f); !strings.Contains(got, "coro: ") {
				t.Errorf("%s of a task that Spawn has not made: panic %q", what, got)
			}
		}
	}
}

// TestNilContexts: a nil context is a panic that says so, also where nothing has to be waited for.
func TestNilContexts(t *testing.T) {
	io, err := aio.New(aio.Options{})
	if err != nil {
		t.Skip("no backend can start here: ", err)
	}
	defer io.Close()
	s, err := coro.New(coro.Options{IO: io})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var none context.Context
	var event coro.Event
	event.Set()
	h := coro.Spawn(s, func(*coro.Task) (int, error) { return 0, nil })
	if _, err := h.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	for what, f := range map[string]func(){
		"Run":        func() { s.Run(none) },
		"Shutdown":   func() { s.Shutdown(none) },
		"Wait":       func() { h.Wait(none) },
		"Event.Wait": func() { event.Wait(none) },
		"Select":     func() { coro.Select(none, coro.After(time.Nanosecond)) },
		"Lock":       func() { new(coro.Mutex).Lock(none) },
		"Send":       func() { coro.NewQueue[int](1).Send(none, 1) },
	} {
		if got := panicOf(f); !strings.Contains(got, "coro: nil context") {
			t.Errorf("%s: panic %q", what, got)
		}
	}
	if _, err := coro.Spawn(s, func(*coro.Task) (int, error) { return 0, nil }).Wait(t.Context()); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// TestIOClosedUnderneath: Close of an IO ends while a scheduler of its runs, whose waits end with
// net.ErrClosed at the scheduler's own end at the latest.
func TestIOClosedUnderneath(t *testing.T) {
	for _, drive := range []string{"auto", "thread", "scheduler"} {
		t.Run(drive, func(t *testing.T) {
			io, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: drive})
			if err != nil {
				t.Skip("no backend can start here: ", err)
			}
			s, err := coro.New(coro.Options{IO: io})
			if err != nil {
				t.Fatal(err)
			}
			pr, pw, err := io.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer pr.Close()
			defer pw.Close()
			begun := make(chan struct{}, 3)
			sleeper := coro.Spawn(s, func(t *coro.Task) (int, error) {
				begun <- struct{}{}
				return 0, t.Sleep(time.Hour)
			})
			blocker := coro.Spawn(s, func(t *coro.Task) (int, error) {
				return coro.Blocking(t, func(ctx context.Context) (int, error) {
					begun <- struct{}{}
					return pr.ReadContext(ctx, make([]byte, 1))
				})
			})
			looper := coro.Spawn(s, func(t *coro.Task) (int, error) {
				begun <- struct{}{}
				for {
					if err := t.Yield(); err != nil {
						return 0, err
					}
				}
			})
			for range cap(begun) {
				<-begun
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := io.Shutdown(ctx); err != nil {
				t.Fatalf("Shutdown of the IO: %v", err)
			}
			if err := s.Shutdown(ctx); err != nil {
				t.Fatalf("Shutdown of the scheduler: %v", err)
			}
			for what, h := range map[string]*coro.Handle[int]{"sleeper": sleeper, "blocker": blocker,
				"looper": looper} {
				if _, err := h.Wait(ctx); !errors.Is(err, net.ErrClosed) && !errors.Is(err, coro.ErrClosed) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, err := coro.New(coro.Options{IO: io}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("New on a closed IO: %v", err)
			}
		})
	}
}

// TestNilFunctions: a nil function is refused by the call that it is handed to: called later it
// would end another goroutine, or the scheduler. So is a nil Parent, and a Handle that Spawn has
// not returned.
func TestNilFunctions(t *testing.T) {
	lib, err := aio.New(aio.Options{})
	if err != nil {
		t.Skip("no backend can start here: ", err)
	}
	defer lib.Close()
	s, err := coro.New(coro.Options{IO: lib})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	refused := func(task *coro.Task) {
		for what, f := range map[string]func(){
			"nil function: Spawn":         func() { coro.Spawn[int](s, nil) },
			"nil function: Blocking":      func() { coro.Blocking[int](task, nil) },
			"nil function: Task.Blocking": func() { task.Blocking(nil) },
			"nil function: Mask":          func() { task.Mask(nil) },
			"nil function: Timeout":       func() { task.Timeout(time.Hour, nil) },
			"nil function: AfterFunc":     func() { task.AfterFunc(nil) },
			"nil function: Group.Go":      func() { coro.NewGroup(task).Go(nil) },
			"nil function: Race":          func() { coro.Race[int](task, nil) },
			"nil function: Once":          func() { new(coro.Once).Do(ctx, nil) },
			"nil Parent: Spawn": func() {
				coro.Spawn(nil, func(*coro.Task) (int, error) {
					return 0,
						nil
				})
			},
			"nil or zero: File":                func() { task.File(nil) },
			"of a *aio.TCPConn: Conn":          func() { task.Conn((*aio.TCPConn)(nil)) },
			"of a *aio.UnixListener: Listener": func() { task.Listener((*aio.UnixListener)(nil)) },
			"nil or zero: Wait":                func() { new(coro.Handle[int]).Wait(ctx) },
			"nil or zero: Cancel":              func() { new(coro.Handle[int]).Cancel() },
			"nil or zero: Detach":              func() { (*coro.Handle[int])(nil).Detach() },
		} {
			var got any
			func() {
				defer func() { got = recover() }()
				f()
			}()
			want, _, _ := strings.Cut(what, ":")
			if !strings.Contains(fmt.Sprint(got), want) {
				t.Errorf("%s: panic %v", what, got)
			} else if _, text := got.(string); !text {
				t.Errorf("%s: panic %v, which is no text of weir's", what, got)
			}
		}
	}
	h := coro.Spawn(s, func(task *coro.Task) (int, error) { refused(task); return 1, nil })
	if n, err := h.Wait(ctx); n != 1 || err != nil {
		t.Error(n, err)
	}
	if v := new(coro.Task).Value("key"); v != nil {
		t.Errorf("value of a zero Task: %v", v)
	}
}
