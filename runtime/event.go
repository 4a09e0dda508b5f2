package runtime

import (
	"sync"

	"github.com/weirgo/weir/internal/sys"
)

// Event is a counting semaphore for operations of any loops: each [Event.Notify] lets one wait
// pass, including one that comes later. The zero value is ready, with a count of 0. Any goroutine
// may call its methods.
//
// In a [Batch] OpEventWait, OpEventNotify and OpEventClose work on the Event that [Completion.At]
// has given the Completion.
type Event struct {
	mu      sync.Mutex
	stored  uint64
	waiters fifo
	closed  bool
}

// Notify lets one wait pass. It reports false if the Event has been closed.
func (e *Event) Notify() bool {
	c, ok := e.pass()
	if c != nil {
		c.nudge()
	}
	return ok
}

// pass is Notify without telling the waiter's loop. c is nil if there is no waiter.
func (e *Event) pass() (c *Completion, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, false
	case e.waiters.n == 0:
		e.stored++
		return nil, true
	}
	c = e.waiters.pop()
	c.signal.Store(true) // with mu held: a goroutine that finds c no longer queued also finds this
	return c, true
}

// Close ends every wait, and every later one at once, with an error for which errors.Is(err,
// net.ErrClosed) holds. The count is lost. Close reports false if the Event was closed already.
func (e *Event) Close() bool {
	waiters, first := e.shut()
	for _, c := range waiters {
		c.nudge()
	}
	return first
}

// TryTake takes one from the count. It reports false if the count is 0.
func (e *Event) TryTake() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stored == 0 {
		return false
	}
	e.stored--
	return true
}

// shut is Close without telling the waiters' loops.
func (e *Event) shut() (waiters []*Completion, first bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	first = !e.closed
	e.closed, e.stored = true, 0
	for c := e.waiters.pop(); c != nil; c = e.waiters.pop() {
		waiters = append(waiters, c)
		c.passed = false
		c.signal.Store(true)
	}
	return waiters, first
}

// enter queues c as a waiter. It reports true if c need not wait: it took a notification, or the
// Event is closed.
func (e *Event) enter(c *Completion) (over bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		c.passed = false
		return true
	case e.stored > 0:
		e.stored--
		c.passed = true
		return true
	}
	c.passed = true // Close clears it
	e.waiters.push(c)
	return false
}

// withdraw takes c out of the queue. It reports false if c has been let pass already.
func (e *Event) withdraw(c *Completion) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.waiters.remove(c)
}

// At sets the Event that an operation of a Batch works on.
func (c *Completion) At(e *Event) { c.rarely().event = e }

// endWait ends an OpEventWait that has been let pass, or whose Event has been closed.
func (l *Loop) endWait(s *slot) {
	c := s.c
	e := c.rare.event
	e.mu.Lock()
	passed := c.passed
	e.mu.Unlock()
	if passed {
		l.finish(s, 0)
		return
	}
	c.cause = causeFileClosed
	l.finish(s, -int32(sys.ECANCELED))
}
