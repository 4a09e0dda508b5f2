package runtime

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// The tests of this file use the portable backend for what it can do on every system, those without
// threads and descriptors included.

func portableRuntime(t *testing.T, o Options) (*Runtime, *Loop) {
	t.Helper()
	o.Backend, o.Loops = "portable", 1
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := r.Any(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if n := l.inFlightCount(); n != 0 {
			t.Errorf("%d operations in flight after Close", n)
		}
	})
	return r, l
}

// TestPortableGoroutines guards the lane of goroutines: operations and sleeps of many at a time.
func TestPortableGoroutines(t *testing.T) {
	_, l := portableRuntime(t, Options{})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for range 20 {
				c := l.Borrow()
				if c.Op = nop(); i%2 == 0 {
					c.Op.Code = backends.OpTimeout
					c.SetDeadline(l.Now() + int64(time.Duration(i)*10*time.Microsecond))
				}
				due := c.Deadline()
				if err := l.Do(t.Context(), c); err != nil {
					t.Errorf("%v: %v", c.Op.Code, err)
				}
				if now := l.Now(); now < due {
					t.Errorf("a sleep ended %v early", time.Duration(due-now))
				}
				l.Return(c)
			}
		})
	}
	wg.Wait()
}

// TestPortableCancel guards that a sleep ends with its context, and all of them with the runtime.
func TestPortableCancel(t *testing.T) {
	r, l := portableRuntime(t, Options{})
	sleep := func(ctx context.Context) error {
		c := &Completion{Op: backends.Op{Code: backends.OpTimeout}}
		c.SetDeadline(backends.Forever)
		return l.Do(ctx, c)
	}
	because := errors.New("because")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(time.Millisecond, func() { cancel(because) })
	if err := sleep(ctx); err != because {
		t.Errorf("a sleep whose context ended: %v", err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := sleep(context.Background()); err != ErrClosed {
				t.Errorf("a sleep in a runtime that was closed: %v", err)
			}
		})
	}
	for l.inFlightCount() < 20 {
		time.Sleep(time.Millisecond)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// TestPortableDescriptor guards that an operation on a descriptor that is none fails, and does not
// hang.
func TestPortableDescriptor(t *testing.T) {
	_, l := portableRuntime(t, Options{})
	for _, op := range []backends.Op{
		read(-1, make([]byte, 1)), write(-1, make([]byte, 1)), poll(-1, pollIn, false),
		{Code: backends.OpClose, FD: -1},
		{Code: backends.OpFsync, FD: -1}, {Code: backends.OpAccept, FD: -1},
	} {
		if err := l.Do(t.Context(), &Completion{Op: op}); err == nil {
			t.Errorf("%v on descriptor -1: no error", op.Code)
		}
	}
}

// TestPortableLoop guards the bare loop: callbacks, timers, wake-ups from another goroutine, and
// the blocking pool.
func TestPortableLoop(t *testing.T) {
	l, err := NewLoop(Options{Backend: "portable"})
	if err != nil {
		t.Fatal(err)
	}
	var nops, ticks, wakes int
	var blocked atomic.Int32
	again := &Completion{Op: nop(), Callback: func(c *Completion) Action {
		if nops++; nops < 1000 {
			return Rearm
		}
		return Disarm
	}}
	if err := l.Submit(again); err != nil {
		t.Fatal(err)
	}
	var timer Timer
	timer.Start(l, 100*time.Microsecond, func(*Timer) Action {
		if ticks++; ticks < 10 {
			return Rearm
		}
		return Disarm
	})
	var async Async
	if err := async.Start(l, func(*Async) Action {
		if wakes++; wakes < 10 {
			go async.Notify()
			return Rearm
		}
		return Disarm
	}); err != nil {
		t.Fatal(err)
	}
	go async.Notify()
	over := 0
	var works [20]Completion
	for i := range works {
		works[i].Callback = count(&over)
		if err := l.Blocking(&works[i], func() { blocked.Add(1) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Run(UntilDone); err != nil {
		t.Error(err)
	}
	if nops != 1000 || ticks != 10 || wakes != 10 || over != len(works) || int(blocked.Load()) != len(works) {
		t.Errorf("%d nops, %d ticks, %d wakes, %d of %d functions and %d callbacks", nops, ticks, wakes, blocked.Load(),
			len(works), over)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
