//go:build !linux || weir_portable

package aio

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	aiort "github.com/weirgo/weir/runtime"
)

// side is one direction of a connection, or a file. Its operations run one after the other, as in
// package net, so that a context that ends disturbs only its own operation. It does so by a
// deadline in the past, after which side restores the user's deadline; side keeps that, because
// packages net and os do not report it. The end of the IO works in the same way, for good.
type side struct {
	turn chan struct{} // holds a token while an operation runs; nil: of a zero value
	set  func(time.Time) error
	wrap func(error) error // wraps an error as package net or os does

	mu     sync.Mutex
	user   time.Time // the deadline that the user set
	forced bool      // a context has ended: the deadline that is set is in the past
	ended  bool      // the IO has ended: the same, for good
}

var longAgo = time.Unix(1, 0)

func (s *side) init(set func(time.Time) error, wrap func(error) error) {
	s.turn, s.set, s.wrap = make(chan struct{}, 1), set, wrap
}

// setDeadline sets the user's deadline.
func (s *side) setDeadline(t time.Time) error {
	if s.turn == nil {
		return syscall.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user = t
	if s.forced || s.ended {
		return s.set(longAgo) // the operation is about to end; then t is set
	}
	return s.set(t)
}

// end ends the operation in progress, and later ones at their start.
func (s *side) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.set(longAgo)
}

// alive returns why nothing can be started any more, or nil.
func (s *side) alive() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return s.wrap(aiort.ErrClosed)
	}
	return nil
}

// may returns why an operation that does not wait for the others must not start, or nil.
func (s *side) may(ctx context.Context) error {
	switch {
	case s.turn == nil:
		return syscall.EINVAL
	case ctx.Err() != nil:
		return s.wrap(context.Cause(ctx))
	}
	return s.alive()
}

// do runs an operation after those before it, and ends it when ctx ends. Then the error is ctx's
// cause, unless the operation ended in another way.
func (s *side) do(ctx context.Context, f func() error) error {
	if s.turn == nil {
		return syscall.EINVAL
	}
	if ctx.Err() != nil {
		return s.wrap(context.Cause(ctx))
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return s.wrap(context.Cause(ctx))
	}
	defer func() { <-s.turn }()
	if err := s.alive(); err != nil {
		return err
	}
	over := never
	if ctx.Done() != nil {
		over = s.watch(ctx)
	}
	err := f()
	if ended := over(); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	} else if ended {
		return s.wrap(context.Cause(ctx))
	}
	if ended := s.alive(); ended != nil {
		return ended
	}
	return err
}

func never() bool { return false }

// watch ends the operation in progress when ctx ends. The caller calls over after the operation: it
// undoes that and reports whether it happened.
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
		if !s.ended {
			s.set(s.user)
		}
		return true
	}
}

// move is do for an operation that moves bytes of p.
func (s *side) move(ctx context.Context, f func([]byte) (int, error), p []byte) (n int, err error) {
	err = s.do(ctx, func() error {
		n, err = f(p)
		return err
	})
	return n, err
}

// sides are both directions.
type sides struct{ r, w side }

// end ends the operations in progress on either side, and later ones.
func (s *sides) end() {
	s.r.end()
	s.w.end()
}

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

// rawConn is a syscall.RawConn whose operations run one after the other with those of the sides.
type rawConn struct {
	syscall.RawConn
	s *sides
}

func (c rawConn) Read(f func(fd uintptr) bool) error {
	return c.s.r.do(context.Background(), func() error { return c.RawConn.Read(f) })
}

func (c rawConn) Write(f func(fd uintptr) bool) error {
	return c.s.w.do(context.Background(), func() error { return c.RawConn.Write(f) })
}
