package coro

import (
	"context"
	"fmt"
	"sync"
)

// Semaphore is a number of tokens to take and give back. The waiter that has waited longest is
// served first, even if others want fewer tokens. Any goroutine and any coroutine may call its
// methods.
type Semaphore struct {
	mu   sync.Mutex
	free int64
	size int64
	line line // n is what each wants
}

// NewSemaphore returns a semaphore with n tokens, all of them free.
func NewSemaphore(n int64) *Semaphore {
	if n < 0 {
		panic("coro: NewSemaphore with a negative number of tokens")
	}
	return &Semaphore{free: n, size: n}
}

// Acquire takes n tokens, and waits for them. The error is nil if and only if the caller has them.
// Otherwise ctx or the task ended first, and the error is the cause. To ask for more tokens than
// exist is an error at once. ctx follows the rule of this package: see [Task].
func (s *Semaphore) Acquire(ctx context.Context, n int64) error {
	t := taskOf(ctx)
	if err := cause(ctx, t); err != nil {
		return err
	}
	if n < 0 || n > s.size {
		return fmt.Errorf("coro: Acquire of %d tokens of a Semaphore that has %d", n, s.size)
	}
	if s.TryAcquire(n) {
		return nil
	}
	w := newWaiter(t)
	defer w.free()
	w.n = n
	s.mu.Lock()
	if s.line.first == nil && s.free >= n {
		s.free -= n
		s.mu.Unlock()
		return nil
	}
	s.line.push(w)
	s.mu.Unlock()
	return w.await(ctx, s)
}

// TryAcquire takes n tokens if it need not wait, and reports whether it did.
func (s *Semaphore) TryAcquire(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n < 0 || s.line.first != nil || s.free < n {
		return false
	}
	s.free -= n
	return true
}

// Release gives n tokens back. It panics if that is more than were taken.
func (s *Semaphore) Release(n int64) {
	s.mu.Lock()
	if n < 0 || n > s.size-s.free {
		s.mu.Unlock()
		panic(fmt.Sprintf("coro: Release of %d tokens that were not taken", n))
	}
	s.free += n
	s.pass()
}

// pass gives tokens to the waiters at the head of the line, and unlocks s.mu.
func (s *Semaphore) pass() {
	var all chain
	last := &all.first
	for s.line.first != nil && s.line.first.n <= s.free {
		w := s.line.pop()
		s.free -= w.n
		*last = w
		last = &w.next
	}
	s.mu.Unlock()
	all.wake(nil)
}

func (s *Semaphore) withdraw(w *waiter) bool {
	s.mu.Lock()
	if !s.line.remove(w) {
		s.mu.Unlock()
		return false
	}
	s.pass() // waiters behind it may want fewer
	return true
}
