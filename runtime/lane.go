package runtime

import "github.com/weirgo/weir/backends"

// What a scheduler of coroutines on a loop's own thread needs: operations that skip the intake,
// ticks run one by one, and a way for other goroutines to end the wait of one.

// NewLoop makes a loop for callbacks, as the function [NewLoop] does, with the options of r and its
// pool for blocking calls. The caller owns the loop and closes it; [Runtime.Close] does not.
// After that Close NewLoop returns [ErrClosed].
func (r *Runtime) NewLoop() (*Loop, error) {
	r.mustBeMade()
	if r.Closed() {
		return nil, ErrClosed
	}
	l, err := NewLoop(r.opts)
	if err != nil {
		return nil, err
	}
	l.pool = r.pool
	return l, nil
}

// SubmitHere is [Loop.Submit] for the goroutine that runs the loop, between ticks or in a callback.
// The operation starts at once: it leaves in the next system call, without the intake and without a
// wake-up. At [Options].MaxInFlight the operation waits for room, as one that [Loop.Do] submits.
// Other errors are those of Submit.
func (l *Loop) SubmitHere(c *Completion) error {
	l.mustBeMade()
	if c == nil {
		return errNoCompletion
	}
	if c.Callback == nil {
		return errNoCallback
	}
	if l.ofRuntime() {
		return ErrWrongThread
	}
	if err := c.check(); err != nil {
		return err
	}
	r, err := l.admit(c, true)
	if err != nil {
		return err
	}
	state := stateStarted
	if c.loop.Load() != l { // a goroutine that moves the deadline of a started Completion needs its loop
		state = stateClaimed
	}
	if err := l.claim(c, r, state); err != nil {
		return err
	}
	if state == stateClaimed {
		c.become(stateStarted)
	}
	c.park = false
	l.start(c)
	return nil
}

// Turn runs the loop once: it hands over what was submitted, reaps what is over and calls back. If
// wait is set it blocks until something is over, a timer is due or [Loop.Wake] is called. The first
// call, of Turn or Run, locks the calling goroutine to its thread and makes the loop its own. No
// other goroutine may call Turn, which does not check, and callbacks must not. Turn returns
// [ErrClosed] after Close, [ErrWrongThread] for a loop of a Runtime, or the error with which the
// backend failed. In that case operations end with the same error, at the latest in the next Turn.
func (l *Loop) Turn(wait bool) error {
	l.mustBeMade()
	select {
	case <-l.ended:
		return ErrClosed
	default:
	}
	if l.thread.id == 0 || l.ofRuntime() {
		if err := l.own(); err != nil {
			return err
		}
	}
	deadline := backends.NoWait
	if wait {
		deadline = backends.Forever
	}
	l.turnThread(deadline)
	return l.lost
}

// Wake ends the wait of the Turn or Run that blocks, or else keeps the next one from blocking. Any
// goroutine may call it; it does not block.
func (l *Loop) Wake() {
	l.mustBeMade()
	l.be.Wake()
}

// Block makes c an operation that runs f on the pool for blocking calls of the loop it is submitted
// to: see [Loop.Blocking]. It returns [ErrInFlight] if c is in flight, and EINVAL if f is nil.
func (c *Completion) Block(f func()) error {
	if f == nil {
		return errNoFunction
	}
	if c.InFlight() {
		return ErrInFlight
	}
	c.Op = backends.Op{Code: backends.OpBlocking}
	c.rarely().work = f
	return nil
}
