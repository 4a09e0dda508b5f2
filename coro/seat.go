package coro

import (
	"iter"

	"github.com/weirgo/weir/internal/prefetch"
)

// How the goroutines of a scheduler, that of the loop and those of the workers, hand the thread to
// each other.
//
// What Go's runtime calls a coroutine is a seat: a goroutine sits in it, parked, until another one
// takes it and is parked there itself ("a special channel that always has a goroutine blocked on
// it", says runtime/coro.go). iter.Pull makes a seat, with the goroutine in it that is to run a
// worker, and two functions that take it, by turns: next, and the one that the sequence is given.
// It does not matter which goroutine calls them. So there is one seat for each goroutine but the
// one that runs, and a task that waits hands the thread to the next one that is ready with one
// switch: to go by way of the loop would take two.

// seat is a coroutine of Go's runtime.
type seat struct {
	next  func() (struct{}, bool)
	yield func(struct{}) bool
	end   func()
	odd   bool // next was called last: it is the turn of yield
}

// init makes a seat in which a goroutine waits that runs f. When f returns the seat is no more, and
// the goroutine that sits in it then goes on.
func (c *seat) init(f func()) {
	c.next, c.end = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		f()
	})
}

// sitter is where a goroutine sits while it is parked.
type sitter struct {
	at   *seat
	over prefetch.Addr // what the function closes over that is called to set it going
}

// change parks the caller, p, in c, and sets the goroutine going that sits there. It returns when
// another one has done so with p. What calls it, and calls that in turn, had better be few: when a
// goroutine goes on the processor mispredicts each return, since it has another goroutine's in
// mind, and that costs 10 ns.
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
