//go:build !linux || weir_portable

package aio

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// clock stands for what a side sets deadlines on.
type clock struct {
	mu   sync.Mutex
	last time.Time
	past chan struct{} // gets a token for each deadline in the past
	gate chan struct{} // if not nil such a one waits for it
}

func newSide() (*side, *clock) {
	c := &clock{past: make(chan struct{}, 100)}
	s := new(side)
	s.init(c.set, func(err error) error { return &net.OpError{Op: "test", Err: err} })
	return s, c
}

func (c *clock) set(t time.Time) error {
	if t.Equal(longAgo) {
		c.past <- struct{}{}
		if c.gate != nil {
			<-c.gate
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = t
	return nil
}

func (c *clock) deadline() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// TestSideDeadline guards a deadline that is set while a context ends its operation: it waits for
// the end of that, so that the operation does end, and then it counts.
func TestSideDeadline(t *testing.T) {
	s, c := newSide()
	ctx, cancel := context.WithCancel(context.Background())
	user := time.Now().Add(time.Hour)
	err := s.do(ctx, func() error {
		cancel()
		<-c.past
		if err := s.setDeadline(user); err != nil {
			t.Error(err)
		}
		if got := c.deadline(); !got.Equal(longAgo) {
			t.Errorf("the deadline is %v while the operation is being ended", got)
		}
		return os.ErrDeadlineExceeded
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the operation: %v", err)
	}
	if got := c.deadline(); !got.Equal(user) {
		t.Errorf("the deadline is %v after the operation, want the user's, %v", got, user)
	}
	if err := s.do(context.Background(), func() error { return os.ErrDeadlineExceeded }); !errors.Is(err,
		os.ErrDeadlineExceeded) {
		t.Errorf("an operation at its deadline: %v", err)
	}
}

// TestSideLate guards an operation that is over while its context is just ending: what that does
// must not hit the next.
func TestSideLate(t *testing.T) {
	s, c := newSide()
	c.gate = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	returned := make(chan error)
	go func() {
		returned <- s.do(ctx, func() error {
			cancel()
			<-c.past
			return nil // done after all
		})
	}()
	select {
	case err := <-returned:
		t.Errorf("the operation has returned (%v) while its context's end sets a deadline in the past", err)
	case <-time.After(10 * time.Millisecond):
		close(c.gate)
		if err := <-returned; err != nil {
			t.Errorf("the operation: %v, though it was done", err)
		}
	}
	if got := c.deadline(); !got.IsZero() {
		t.Errorf("the deadline is %v after the operation", got)
	}
	for range 2000 {
		s, c := newSide()
		ctx, cancel := context.WithCancel(context.Background())
		s.do(ctx, func() error {
			cancel()
			return nil
		})
		runtime.Gosched()
		if got := c.deadline(); !got.IsZero() {
			t.Fatalf("the deadline is %v after the operation", got)
		}
	}
}

// TestSideEnds guards the end of an IO while a context ends too: the deadline stays in the past.
func TestSideEnds(t *testing.T) {
	s, c := newSide()
	ctx, cancel := context.WithCancel(context.Background())
	s.do(ctx, func() error {
		cancel()
		<-c.past
		s.end()
		return os.ErrDeadlineExceeded
	})
	if got := c.deadline(); !got.Equal(longAgo) {
		t.Errorf("the deadline is %v after the end", got)
	}
	if s.setDeadline(time.Now().Add(time.Hour)); !c.deadline().Equal(longAgo) {
		t.Errorf("the deadline is %v after the end: it was moved", c.deadline())
	}
	ran := false
	if err := s.do(context.Background(), func() error { ran = true; return nil }); !errors.Is(err,
		net.ErrClosed) || ran {
		t.Errorf("an operation after the end: %v, it ran: %v", err, ran)
	}
}

// TestSideTurn guards that an operation which waits for its turn ends with its context, and that a
// zero value fails.
func TestSideTurn(t *testing.T) {
	s, c := newSide()
	s.do(context.Background(), func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if err := s.do(ctx, func() error { t.Error("two operations at a time"); return nil }); !errors.Is(err,
			context.DeadlineExceeded) {
			t.Errorf("an operation whose context ended before its turn: %v", err)
		}
		return nil
	})
	if len(c.past) > 0 {
		t.Error("the end of a context disturbed another's operation")
	}
	if err := new(side).do(context.Background(), func() error { return nil }); err == nil {
		t.Error("an operation of a zero value: no error")
	}
}

// TestDialEnds guards a Dial that is under way when the IO ends.
func TestDialEnds(t *testing.T) {
	lib, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	under, ended := make(chan struct{}, 10), make(chan error, 10)
	d := Dialer{IO: lib, Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn,
		error) {
		under <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}}}
	got := make(chan error, 1)
	go func() {
		_, err := d.Dial("tcp", "weir.example:80")
		got <- err
	}()
	select {
	case <-under:
	case err := <-got:
		t.Skipf("names are resolved in another way here: %v", err)
	}
	if err := lib.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != context.Canceled { // and not the resolver's time that is up
		t.Errorf("resolving the name ended with %v", err)
	}
	var op *net.OpError
	if err := <-got; !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("Dial: %v", err)
	}
}
