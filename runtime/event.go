package runtime

import (
	"sync"

	"github.com/weirgo/weir/internal/sys"
)

// Event is a counter that operations of any loops wait for: each Notify lets one wait pass, also one that comes later.
// The zero value is ready, with no notification in store. Any goroutine may call its methods.
//
// In a Batch OpEventWait, OpEventNotify and OpEventClose work on the Event that the Completion has been given with At.
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

// pass is Notify but for telling the waiter's loop. The waiter is nil if there is none.
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
	c.signal.Store(true) // with mu held: whoever finds that c is not in line any more finds this
	return c, true
}

// Close ends every wait, and every later one at once, with an error that is net.ErrClosed. Notifications in store are
// lost. It reports false if the Event was closed already.
func (e *Event) Close() bool {
	waiters, first := e.shut()
	for _, c := range waiters {
		c.nudge()
	}
	return first
}

// TryTake takes a notification that is in store, and reports false if there is none.
func (e *Event) TryTake() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stored == 0 {
		return false
	}
	e.stored--
	return true
}

// shut is Close but for telling the waiters' loops.
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

// enter has c wait, or reports that it need not: it got a notification, or the Event is closed.
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
	c.passed = true // unless Close says otherwise
	e.waiters.push(c)
	return false
}

// withdraw takes c out of the line, and reports false if it has been let pass already.
func (e *Event) withdraw(c *Completion) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.waiters.remove(c)
}

// At gives an operation of a Batch the Event that it works on.
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
