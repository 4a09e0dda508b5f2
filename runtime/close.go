package runtime

import (
	"context"
	"math"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/sched"
)

// beginClose cancels everything in flight. Operations submitted from now on end at once.
func (l *Loop) beginClose() {
	l.closing, l.ending = true, true
	for { // callback timers are dropped; deadlines no longer matter
		n, ok := l.wheel.Pop(math.MaxInt64)
		if !ok {
			break
		}
		if c := n.Owner.c; c != nil && c.Op.Code == backends.OpTimeout {
			l.stop(c, causeClose)
		}
	}
	l.timers = 0
	l.wheel = sched.NewWheel[Timer](l.be.Now()) // the old wheel is at the end of time
	if len(l.insist.asked) > 0 {
		l.insistIn(firstPause)
	}
	l.slots.all(func(s *slot) { l.stop(s.c, causeClose) })
}

// finished reports whether a closed loop has nothing in flight. inFlightCount includes operations
// that are still on their way into the intake.
func (l *Loop) finished() bool { return l.closing && l.inFlightCount() == 0 }

// askClose closes the intake and asks for the cancellation of everything in flight. It does not
// wait.
func (l *Loop) askClose() {
	if l.refuse.Swap(true) {
		return
	}
	l.limit.Close() // before a tick can find that nothing is in flight and end the loop
	l.apart.Close()
	l.closeIt.Store(true)
	if l.drive == driveScheduler {
		l.turn()
		return
	}
	l.be.Wake()
}

// awaitEnd waits until the loop has ended. If ctx ends first it returns a *StuckError.
func (l *Loop) awaitEnd(ctx context.Context) error {
	select {
	case <-l.ended:
		return l.endErr
	default:
	}
	select {
	case <-l.ended:
		return l.endErr
	case <-ctx.Done():
		e := &StuckError{Cause: context.Cause(ctx)}
		if l.inLoop(func() { e.Ops = l.inFlight() }) {
			return e
		}
		<-l.ended // it has just ended
		return l.endErr
	}
}

// inFlight lists the operations in flight.
func (l *Loop) inFlight() []StuckOp {
	var ops []StuckOp
	l.slots.all(func(s *slot) {
		if s.c.Op.Code != backends.OpAsync {
			ops = append(ops, StuckOp{ID: s.rec.ID, Code: s.c.Op.Code, FD: s.c.fd()})
		}
	})
	return ops
}

// Close ends a loop made by [NewLoop]: it cancels everything in flight, runs callbacks until all
// operations have come back, and closes the backend. The goroutine that runs the loop calls it; if
// [Loop.Run] was never called, any goroutine may. Callbacks must use [Loop.Stop] instead. A second
// Close returns [ErrClosed].
func (l *Loop) Close() error {
	if !l.thread.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer l.thread.running.Store(false)
	if err := l.own(); err != nil {
		return err
	}
	l.askClose()
	l.drain()
	unlockThread()
	return l.endErr
}
