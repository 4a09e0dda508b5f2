package coro

import "context"

// Case is one of the things that a [Select] waits for. It may be used again when the Select is
// over. A nil Case, or one of a nil Queue, Event, Handle or context, never happens, like a nil
// channel in Go's select.
type Case interface {
	// try makes the case happen if it can without waiting, and reports whether it has.
	try(t *Task) bool

	// enter queues w. again says that the case can happen by now, which it may not do while w is
	// queued elsewhere: Select then leaves all cases and tries again.
	enter(t *Task, w *waiter) (again bool)

	// leave takes w out of the queue. If the case has happened meanwhile, leave stores its result.
	leave(t *Task, w *waiter)

	// end is called when the Select is over.
	end(t *Task)
}

// Select waits until one of the cases has happened and returns its index; no other case has
// happened then. If several can happen at once, the one listed first does. If ctx or the task ends
// first the index is -1 and the error is the cause. Cases of one Select do not meet each other:
// RecvFrom and SendTo of the same unbuffered Queue wait for other callers. With no case Select
// waits until ctx or the task ends. ctx follows the rule of this package: see [Task].
func Select(ctx context.Context, cases ...Case) (int, error) {
	t := taskOf(ctx)
	defer func() {
		for i := len(cases) - 1; i >= 0; i-- {
			if cases[i] != nil {
				cases[i].end(t)
			}
		}
	}()
	for {
		if err := cause(ctx, t); err != nil {
			return -1, err
		}
		for i, c := range cases {
			if c != nil && c.try(t) {
				return i, nil
			}
		}
		mayWait(t)
		if i, err, again := selectOnce(ctx, t, cases); !again {
			return i, err
		}
		if t != nil { // others may keep changing what it waits for, and a cancellation needs the loop to run
			t.giveWay()
		}
	}
}

// selecting is one try of a Select to wait. Its waiters are never used again, so a late timer or
// context cannot meet another try.
type selecting struct {
	selection
	ws []waiter // one for each case, and one for the caller
}

// aborted is the value of selection.won if no case has happened in time.
const aborted = -1

func selectOnce(ctx context.Context, t *Task, cases []Case) (won int, err error, again bool) {
	s := &selecting{ws: make([]waiter, len(cases)+1)}
	own := &s.ws[len(cases)]
	own.init(t)
	wait, entered := true, 0
	for i, c := range cases {
		entered++
		if c == nil {
			continue
		}
		w := &s.ws[i]
		w.task, w.parker, w.sel, w.index = t, own.parker, &s.selection, i
		again := c.enter(t, w)
		if again { // a case may have happened before it could be withdrawn; its wake-up is then on its way
			wait = !s.won.CompareAndSwap(0, aborted)
			break
		}
	}
	if wait {
		s.await(ctx, t, own)
	}
	for i, c := range cases[:entered] {
		if c != nil {
			c.leave(t, &s.ws[i])
		}
	}
	own.release()
	if won = int(s.won.Load()) - 1; won >= 0 {
		return won, nil, false
	}
	if wait {
		return -1, cause(ctx, t), false
	}
	return -1, nil, true
}

func (s *selecting) await(ctx context.Context, t *Task, own *waiter) {
	if t != nil {
		stop := t.follow(ctx)
		t.wait(s)
		t.unfollow(stop)
		return
	}
	if !own.parker.ParkUntil(ctx.Done()) && !s.won.CompareAndSwap(0, aborted) {
		own.parker.Park()
	}
}

func (s *selecting) abort(t *Task) {
	if s.won.CompareAndSwap(0, aborted) {
		t.s.makeReady(t)
	}
}
