package runtime

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// signalLeft makes c wait for an Event and has a deadline end it in the tick in which a
// notification lets it pass: the notification has been signalled, and nothing takes note of that.
func signalLeft(r *rig, c *Completion) {
	var e Event
	c.Op, c.Callback = backends.Op{Code: backends.OpEventWait}, func(*Completion) Action { return Disarm }
	c.At(&e)
	c.SetDeadline(r.l.Now() + int64(time.Hour))
	if err := r.l.Submit(c); err != nil {
		r.Fatal(err)
	}
	r.run(NoWait)
	e.pass()
	r.l.stop(c, causeDeadline)
	r.run(NoWait)
	if c.InFlight() || c.Err() != nil || !c.signal.Load() {
		r.Fatalf("in flight %v, error %v, signal %v", c.InFlight(), c.Err(), c.signal.Load())
	}
	c.SetDeadline(0)
}

// TestSignalEndsWithItsActivation: what was signalled to one activation of a Completion says
// nothing to the next. It used to swallow a move of the deadline, and to end what the pool had only
// begun.
func TestSignalEndsWithItsActivation(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		var c Completion
		signalLeft(r, &c)
		rd, _ := r.pipe()
		c.Op = read(rd, make([]byte, 1))
		if err := r.l.Submit(&c); err != nil {
			t.Fatal(err)
		}
		r.run(NoWait)
		c.SetDeadline(1)
		r.runUntil("the read has obeyed its new deadline", func() bool { return !c.InFlight() })
		if err := c.Err(); err != os.ErrDeadlineExceeded {
			t.Errorf("read: %v", err)
		}
		c.SetDeadline(0)

		signalLeft(r, &c)
		free, ran := make(chan struct{}), false
		if err := r.l.Blocking(&c, func() { <-free; ran = true }); err != nil {
			t.Fatal(err)
		}
		r.run(NoWait)
		c.SetDeadline(r.l.Now() + int64(time.Hour)) // has the loop look at it
		r.run(NoWait)
		if !c.InFlight() {
			t.Error("a function of the pool is over before it has run")
		}
		c.SetDeadline(0) // a simulated clock would jump there while the pool works
		close(free)
		r.run(UntilDone)
		if err := c.Err(); err != nil || !ran {
			t.Errorf("function of the pool: %v, ran %v", err, ran)
		}
	})
}

// TestSignalAndDeadline: one push that is about what the pool has done and about a deadline is
// about both.
func TestSignalAndDeadline(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		rd, _ := r.pipe()
		c := r.submit(read(rd, make([]byte, 1)), func(*Completion) Action { return Disarm })
		r.run(NoWait)
		c.signal.Store(true)
		c.SetDeadline(1)
		r.runUntil("the read has obeyed its deadline", func() bool { return !c.InFlight() })
		if err := c.Err(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
}
