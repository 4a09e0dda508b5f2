package runtime

import "github.com/weirgo/weir/backends"

// What a scheduler of coroutines needs that lives on a loop's own thread: operations that skip the intake, turns that
// it asks for one by one, and a way for others to end the wait of one.

// NewLoop makes a loop for the callback lane, as the function of that name does, with the options of r and its pool for
// blocking calls. It belongs to the caller, who closes it; Close of r does not. After that there are no new ones:
// ErrClosed.
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

// SubmitHere is Submit for the goroutine that runs the loop, between turns or in a callback. The operation starts at
// once, so it leaves in the next system call without passing through the intake and without a wake-up. At
// Options.MaxInFlight it waits for room in the loop's line, as one that Do submits. Otherwise it fails as Submit does.
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
	if c.loop.Load() != l { // whoever moves the deadline of a started Completion needs to find its loop
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

// Turn runs the loop once: it hands over what was submitted, takes what is over and calls back. With wait set it
// blocks for that until something is over, a timer is due or Wake is called. The first call, of Turn or Run, locks
// the calling goroutine to its thread and makes the loop its own: no other may call Turn, which does not check, and
// callbacks must not. It returns ErrClosed after Close, or the error with which the backend failed; operations end
// with that error then, at the latest in the next turn. A loop of a Runtime is ErrWrongThread.
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

// Wake ends the wait of the Turn, or Run, that blocks, or else keeps the next one from blocking. Any goroutine may
// call it; it does not block.
func (l *Loop) Wake() {
	l.mustBeMade()
	l.be.Wake()
}

// Block makes c an operation that runs f on the pool for blocking calls of the loop it is submitted to: see
// Loop.Blocking. It fails with ErrInFlight, and without a function.
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
