package coro

import (
	"iter"

	"github.com/weirgo/weir/internal/prefetch"
)

// This file says how the goroutines of a scheduler, that of the loop and those of the workers, hand
// the thread to each other.
//
// A seat is what Go's runtime calls a coroutine ("a special channel that always has a goroutine
// blocked on it", says runtime/coro.go). One goroutine is parked in it, until another goroutine
// switches to it and is parked there itself. iter.Pull makes a seat that holds the goroutine of a
// worker, and two functions that switch to it, to be called alternately: next, and the one that the
// sequence gets. Any goroutine may call them. So there is one seat for each goroutine except the
// running one, and a task that waits hands the thread to the next ready one with one switch. By way
// of the loop it would take two.

// seat is a coroutine of Go's runtime.
type seat struct {
	next  func() (struct{}, bool)
	yield func(struct{}) bool
	end   func()
	odd   bool // next was called last, so yield is due
}

// init makes a seat that holds a goroutine which runs f. When f returns the seat is gone, and the
// goroutine that is parked in it then goes on.
func (c *seat) init(f func()) {
	c.next, c.end = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		f()
	})
}

// sitter records where a goroutine is parked.
type sitter struct {
	at   *seat
	over prefetch.Addr // the closure of the function that resumes it
}

// change parks the caller, p, in c, and resumes the goroutine that is parked there. It returns when
// another goroutine has resumed p in the same way. Its callers should be few deep: after a switch
// the processor mispredicts each return, because it predicts the other goroutine's, and each
// misprediction costs 10 ns.
func (s *Scheduler) change(p *sitter, c *seat) {
	for {
		p.at = c
		if c.odd = !c.odd; c.odd {
			p.over = prefetch.OfFunc(&c.yield)
			c.next()
		} else {
			p.over = prefetch.OfFunc(&c.next)
			c.yield(struct{}{})
		}
		if !s.back {
			return
		}
		s.back, c = false, s.at
	}
}
