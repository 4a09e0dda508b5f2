//go:build !linux || weir_portable

package aio

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

// side is one direction of a connection, or a file. Operations take turns, as they do inside package net, so that a
// context that ends disturbs its own operation and no other. It does so by a deadline in the past, and then puts the
// user's back: it is kept here, since packages net and os do not tell it.
type side struct {
	turn chan struct{} // holds a token while an operation is under way

	mu     sync.Mutex
	user   time.Time // the deadline that was asked for
	forced bool      // a context has ended: the deadline that is set lies in the past
	set    func(time.Time) error
}

var longAgo = time.Unix(1, 0)

func (s *side) init(set func(time.Time) error) {
	s.turn, s.set = make(chan struct{}, 1), set
}

// setDeadline sets the user's deadline.
func (s *side) setDeadline(t time.Time) error {
	if s.turn == nil {
		return syscall.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user = t
	if s.forced {
		return s.set(longAgo) // the operation is about to end; then it is set
	}
	return s.set(t)
}

// do runs an operation in its turn.
func (s *side) do(f func() error) error {
	if s.turn == nil {
		return syscall.EINVAL
	}
	s.turn <- struct{}{}
	defer s.done()
	return f()
}

func (s *side) done() { <-s.turn }

// move is do for what moves bytes of p.
func (s *side) move(f func([]byte) (int, error), p []byte) (n int, err error) {
	err = s.do(func() error {
		n, err = f(p)
		return err
	})
	return n, err
}

// moveContext is doContext for what moves bytes of p.
func (s *side) moveContext(ctx context.Context, wrap func(error) error, f func([]byte) (int, error), p []byte) (n int, err error) {
	err = s.doContext(ctx, wrap, func() error {
		n, err = f(p)
		return err
	})
	return n, err
}

// doContext runs an operation in its turn and ends it when ctx does. Then the error is ctx's cause, which wrap gives its
// shape, unless the operation ended in another way.
func (s *side) doContext(ctx context.Context, wrap func(error) error, f func() error) error {
	if s.turn == nil {
		return syscall.EINVAL
	}
	if ctx.Err() != nil {
		return wrap(context.Cause(ctx))
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return wrap(context.Cause(ctx))
	}
	defer s.done()
	if ctx.Done() == nil {
		return f()
	}
	over := s.watch(ctx)
	err := f()
	if ended := over(); ended && errors.Is(err, os.ErrDeadlineExceeded) {
		return wrap(context.Cause(ctx))
	}
	return err
}

// watch ends the operation under way when ctx ends. over, which is to be called after the operation, takes that back and
// reports whether it happened.
func (s *side) watch(ctx context.Context) (over func() bool) {
	ran := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ran)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forced = true
		s.set(longAgo)
	})
	return func() bool {
		if stop() {
			return false
		}
		<-ran
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forced = false
		s.set(s.user)
		return true
	}
}

// sides are both directions.
type sides struct{ r, w side }

// SetDeadline sets both deadlines: see net.Conn.
func (s *sides) SetDeadline(t time.Time) error {
	err := s.r.setDeadline(t)
	if err2 := s.w.setDeadline(t); err == nil {
		err = err2
	}
	return err
}

// SetReadDeadline sets the deadline of reads: see net.Conn.
func (s *sides) SetReadDeadline(t time.Time) error { return s.r.setDeadline(t) }

// SetWriteDeadline sets the deadline of writes: see net.Conn.
func (s *sides) SetWriteDeadline(t time.Time) error { return s.w.setDeadline(t) }

// rawConn is a syscall.RawConn whose operations take their turns.
type rawConn struct {
	syscall.RawConn
	s *sides
}

func (c rawConn) Read(f func(fd uintptr) bool) error {
	return c.s.r.do(func() error { return c.RawConn.Read(f) })
}

func (c rawConn) Write(f func(fd uintptr) bool) error {
	return c.s.w.do(func() error { return c.RawConn.Write(f) })
}
