package sched

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// ErrLimitClosed is what [Limit.Acquire] returns once the Limit is closed.
var ErrLimitClosed = errors.New("sched: limit closed")

// A Limit is a fixed number of tokens. It bounds how many operations are on their way through an
// [Intake], which has no bound itself: a producer acquires a token before it pushes an operation, and
// the loop releases a batch of them when operations complete. Any goroutine may call its methods.
//
// Fairness: waiters get tokens strictly first in, first out. A released token goes straight to the
// waiter that has been in line longest and counts as in use throughout, so neither TryAcquire nor an
// Acquire that comes later can overtake one that waits.
type Limit struct {
	// state is the number of tokens in use, shifted left by one, plus the bit slow. The common paths
	// change it by compare-and-swap from a value without slow. The bit is set and cleared only with
	// mu held, so while it is set, whoever holds mu is the only one to change state.
	//
	// The bit is set when there is a waiter to be and too few tokens for it, and is cleared by the first
	// Release, or withdrawal, that leaves nobody in line.
	state atomic.Uint64
	max   uint64

	mu      sync.Mutex
	closed  bool
	waiters waiter // the line: waiters.next has been in it longest; nil links if it was never used
}

const (
	// slow says that there may be waiters or that the limit is closed: take mu and look.
	slow = 1
	// one token in state.
	one = 2
)

// A waiter is one blocked Acquire. All fields but parker are guarded by Limit.mu, until the Unpark, which
// gives them back to the goroutine that waits.
type waiter struct {
	next, prev *waiter // nil while not in line
	n          uint64  // tokens wanted
	parker     *Parker
	err        error // the outcome, set before Unpark
}

var waiters = sync.Pool{New: func() any { return &waiter{parker: NewParker()} }}

// NewLimit returns a Limit of max tokens, none of them in use. It panics if max < 1.
func NewLimit(max int64) *Limit {
	if max < 1 {
		panic(fmt.Sprintf("sched: NewLimit(%d): want at least 1 token", max))
	}
	return &Limit{max: uint64(max)}
}

// TryAcquire takes a token if there is a free one and nobody waits, and reports whether it did. It never
// blocks. After Close it reports false.
func (l *Limit) TryAcquire() bool { return l.TryAcquireN(1) }

// TryAcquireN takes n tokens or none, as TryAcquire takes one. It panics if n < 1.
func (l *Limit) TryAcquireN(n int64) bool {
	if n < 1 {
		panic(fmt.Sprintf("sched: TryAcquireN(%d): want at least 1 token", n))
	}
	for {
		s := l.state.Load()
		if s&slow != 0 || s/one+uint64(n) > l.max {
			return false
		}
		if l.state.CompareAndSwap(s, s+uint64(n)*one) {
			return true
		}
	}
}

// Acquire takes a token. It blocks until one is handed over, ctx is done or Close is called. It returns
// nil if and only if the caller now owns a token; otherwise [ErrLimitClosed] or ctx.Err(), in this order
// if both apply. If ctx is done before the call, no token is taken. If ctx ends while a token is being
// handed over, either may win, and if the token does, the result is nil.
//
// As long as tokens are free, Acquire neither allocates nor takes a mutex.
func (l *Limit) Acquire(ctx context.Context) error { return l.AcquireN(ctx, 1) }

// AcquireN takes n tokens at once, as Acquire takes one. While it waits for more tokens than are free those stay free:
// nobody gets past it. It panics if n is not between 1 and Max: more than there are would never come together.
func (l *Limit) AcquireN(ctx context.Context, n int64) error {
	if n < 1 || uint64(n) > l.max {
		panic(fmt.Sprintf("sched: AcquireN(%d) of %d tokens", n, l.max))
	}
	err := ctx.Err()
	if err == nil && l.TryAcquireN(n) {
		return nil
	}
	return l.acquireSlow(ctx, err, uint64(n))
}

// acquireSlow gets in line. ctxErr is what ctx.Err returned on entry: a foreign Context is not called
// with mu held.
func (l *Limit) acquireSlow(ctx context.Context, ctxErr error, n uint64) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrLimitClosed
	}
	if ctxErr != nil {
		l.mu.Unlock()
		return ctxErr
	}
	if l.takeOrMark(n) {
		l.mu.Unlock()
		return nil
	}
	w := waiters.Get().(*waiter)
	w.n = n
	l.enqueue(w)
	l.mu.Unlock()

	if !w.parker.ParkUntil(ctx.Done()) {
		if l.withdraw(w) {
			w.err = ctx.Err()
		} else {
			w.parker.Park() // the outcome is in, and so is the wake-up: this does not block
		}
	}
	err := w.err
	w.err = nil
	waiters.Put(w)
	return err
}

// takeOrMark takes n tokens, or else leaves slow set, so that from now on every Release takes mu and finds
// the waiter that the caller is about to enqueue. The caller holds mu; the limit is not closed.
func (l *Limit) takeOrMark(n uint64) bool {
	for {
		s := l.state.Load()
		switch {
		case s&slow != 0:
			return false
		case s/one+n <= l.max:
			if l.state.CompareAndSwap(s, s+n*one) {
				return true
			}
		default:
			if l.state.CompareAndSwap(s, s|slow) {
				return false
			}
		}
	}
}

// withdraw takes w out of the line and reports whether it was still in it. If not, its outcome is set.
func (l *Limit) withdraw(w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.next == nil {
		return false
	}
	l.dequeue(w)
	l.grant(0) // there may be enough for the one behind it
	return true
}

// Release gives n tokens back and hands them to those who wait longest. It never blocks. It panics if n
// is negative or more tokens are released than are in use; the limit is then unchanged.
func (l *Limit) Release(n int64) {
	if n < 0 {
		panic(fmt.Sprintf("sched: Limit.Release(%d)", n))
	}
	for {
		s := l.state.Load()
		if s&slow != 0 {
			l.releaseSlow(uint64(n))
			return
		}
		if uint64(n) > s/one {
			panicOverRelease(uint64(n), s)
		}
		if l.state.CompareAndSwap(s, s-uint64(n)*one) {
			return
		}
	}
}

// releaseSlow is Release when slow was seen. By the time it has mu the bit may be clear again.
func (l *Limit) releaseSlow(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		s := l.state.Load()
		if n > s/one {
			panicOverRelease(n, s)
		}
		if s&slow != 0 {
			break
		}
		if l.state.CompareAndSwap(s, s-n*one) {
			return
		}
	}
	l.grant(n)
}

// grant gives n tokens back and hands free ones to those who wait longest. slow is set, and the caller holds mu.
func (l *Limit) grant(n uint64) {
	s := l.state.Load() - n*one
	for l.waiting() && s/one+l.waiters.next.n <= l.max {
		w := l.waiters.next
		s += w.n * one
		l.state.Store(s)
		l.dequeue(w)
		w.parker.Unpark()
	}
	if !l.closed && !l.waiting() {
		s &^= slow
	}
	l.state.Store(s)
}

func panicOverRelease(n, state uint64) {
	panic(fmt.Sprintf("sched: Limit.Release(%d) with %d tokens in use", n, state/one))
}

// Close makes every Acquire that waits and every later one return [ErrLimitClosed], and TryAcquire report
// false. Tokens in use stay in use and are to be released as before. Close does not block; only the first
// call has an effect.
func (l *Limit) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.state.Or(slow)
	for l.waiting() {
		w := l.waiters.next
		l.dequeue(w)
		w.err = ErrLimitClosed
		w.parker.Unpark()
	}
}

// InUse returns the number of tokens in use at the time of the call.
func (l *Limit) InUse() int64 {
	return int64(l.state.Load() / one)
}

// Max returns the number of tokens there are.
func (l *Limit) Max() int64 {
	return int64(l.max)
}

// The line is a ring of waiters through l.waiters. The caller of each of these holds mu.

func (l *Limit) waiting() bool {
	return l.waiters.next != nil && l.waiters.next != &l.waiters
}

func (l *Limit) enqueue(w *waiter) {
	root := &l.waiters
	if root.next == nil {
		root.next, root.prev = root, root
	}
	w.next, w.prev = root, root.prev
	w.prev.next, root.prev = w, w
}

func (l *Limit) dequeue(w *waiter) {
	w.prev.next, w.next.prev = w.next, w.prev
	w.next, w.prev = nil, nil
}
