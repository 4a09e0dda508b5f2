package sched

import (
	"fmt"
	"sync/atomic"
)

// A Limit is a fixed number of tokens. It bounds how many operations are on their way through an
// [Intake], which has no bound itself: a producer takes a token before it pushes an operation, and
// the loop gives tokens back in batches when operations complete.
//
// Operations that find no token may wait in a line, which the loop keeps and announces by
// [Limit.Line]. While there is a line TryAcquire takes nothing, so that nothing overtakes the line;
// the loop calls [Limit.Take] for the first in it.
//
// Any goroutine may call the methods, except Line and Take, which are for the loop. Nothing blocks
// or allocates.
type Limit struct {
	state atomic.Uint64 // tokens in use, shifted left by two, and the bits below
	max   uint64
}

const (
	limitClosed = 1
	limitLine   = 2 // there is a line
	// one token in state.
	one = 4
)

// maxTokens is the largest number of tokens there can be.
const maxTokens = 1 << 60

// NewLimit returns a Limit of max tokens, none of them in use. It panics if max < 1 or max > 1<<60.
func NewLimit(max int64) *Limit {
	if max < 1 || max > maxTokens {
		panic(fmt.Sprintf("sched: NewLimit(%d): want 1 to %d tokens", max, int64(maxTokens)))
	}
	return &Limit{max: uint64(max)}
}

// TryAcquire takes a token if there is a free one and no line, and reports whether it did. After
// Close it reports false.
func (l *Limit) TryAcquire() bool { return l.TryAcquireN(1) }

// TryAcquireN takes n tokens or none, as TryAcquire takes one. It panics if n < 1.
func (l *Limit) TryAcquireN(n int64) bool { return l.acquire(n, limitClosed|limitLine) }

// Take is [Limit.TryAcquire] for the first operation in the line.
func (l *Limit) Take() bool { return l.acquire(1, limitClosed) }

// acquire takes n tokens, unless one of the bits in unless is set.
func (l *Limit) acquire(n int64, unless uint64) bool {
	if n < 1 {
		panic(fmt.Sprintf("sched: %d tokens wanted: want at least 1", n))
	}
	for {
		s := l.state.Load()
		if s&unless != 0 || uint64(n) > l.max || s/one > l.max-uint64(n) {
			return false
		}
		if l.state.CompareAndSwap(s, s+uint64(n)*one) {
			return true
		}
	}
}

// Add takes n tokens, even if none are free and after Close. It is for operations that do not
// depend on the limit.
func (l *Limit) Add(n int64) { l.state.Add(uint64(n) * one) }

// Line records whether there is a line.
func (l *Limit) Line(is bool) {
	if is {
		l.state.Or(limitLine)
	} else {
		l.state.And(^uint64(limitLine))
	}
}

// Due reports whether there is a line and a free token for the first in it, so that the loop has
// something to do. The caller that gave the token back checks this.
func (l *Limit) Due() bool {
	s := l.state.Load()
	return s&limitLine != 0 && s/one < l.max
}

// Release gives n tokens back. It panics if n is negative or more tokens are released than are in
// use; the limit is then unchanged.
func (l *Limit) Release(n int64) {
	for {
		s := l.state.Load()
		if n < 0 || uint64(n) > s/one {
			panic(fmt.Sprintf("sched: Limit.Release(%d) with %d tokens in use", n, s/one))
		}
		if l.state.CompareAndSwap(s, s-uint64(n)*one) {
			return
		}
	}
}

// Close makes TryAcquire and Take report false from now on. Tokens in use stay in use and are to be
// released as before.
func (l *Limit) Close() { l.state.Or(limitClosed) }

// InUse returns the number of tokens in use at the time of the call.
func (l *Limit) InUse() int64 { return int64(l.state.Load() / one) }

// Max returns the number of tokens there are.
func (l *Limit) Max() int64 { return int64(l.max) }
