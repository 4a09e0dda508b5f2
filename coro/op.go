package coro

import (
	"context"
	"errors"

	"github.com/weirgo/weir/aio/op"
	aiort "github.com/weirgo/weir/runtime"
)

// opWait is a task's wait for one operation or a list of them.
type opWait struct {
	c      *aiort.Completion // or a list of operations
	ops    []*op.Op
	flying bool  // it has been submitted
	err    error // why it was not submitted; for a list, its error
}

// Do submits operations, all of them or none, and waits until all are over: see aio.Do. They leave
// in one system call with the operations that other tasks have submitted in this turn. If the task
// is cancelled first, Do cancels the operations that are not done, and the error has the cause for
// an Op with op.ErrCanceled. Do allocates nothing if the ops are reused.
func (t *Task) Do(ops ...*op.Op) error {
	t.mine()
	if err := t.cancelled(); err != nil || len(ops) == 0 {
		return op.Refuse(err, ops...)
	}
	t.op.ops = append(t.op.ops[:0], ops...)
	err := t.operate(&t.op)
	clear(t.op.ops)
	t.op.ops = t.op.ops[:0]
	if e, ok := err.(*op.Error); ok && e.Err == op.ErrCanceled {
		if why := t.cancelled(); why != nil {
			e.Err = why
		}
	}
	return err
}

// do is Loop.Do for the coroutine.
func (t *Task) do(ctx context.Context, c *aiort.Completion) error {
	t.mine()
	if c.Op.Multi {
		return errors.New("coro: an operation with Op.Multi, which reports more than once")
	}
	if err := cause(ctx, t); err != nil {
		return err
	}
	t.op.c = c
	stop := t.follow(ctx)
	err := t.operate(&t.op)
	t.unfollow(stop)
	t.op.c = nil
	if err == nil {
		err = c.Err()
	}
	if err == aiort.ErrCanceled {
		if why := cause(ctx, t); why != nil {
			return why
		}
	}
	return err
}

// operate parks t until the operations of t.op are over. The loop's goroutine submits them, so that
// the stacks of coroutines need no room for that.
func (t *Task) operate(a aborter) error {
	t.op.err = nil
	t.s.fresh.push(t)
	t.wait(a)
	return t.op.err
}

// submit submits the operations of a task that has parked for them. If there is no room they wait
// in the loop's line.
func (s *Scheduler) submit(t *Task) {
	w, o := t.worker, &t.op
	var err error
	if c := o.c; c != nil {
		if !c.InFlight() {
			c.Callback = w.opDone
		}
		err = s.loop.SubmitHere(c)
	} else {
		err = w.runner.Start(s.loop, w.opsDone, o.ops...)
	}
	if o.flying = err == nil; !o.flying {
		o.err = err
		s.makeReady(t)
	}
}

// operationOver is the callback of the operation of w's task.
func (w *worker) operationOver(*aiort.Completion) aiort.Action {
	w.operationsOver(nil)
	return aiort.Disarm
}

// operationsOver is the callback of a list of operations of w's task.
func (w *worker) operationsOver(err error) {
	t := w.task
	t.op.flying, t.op.err = false, err
	w.s.makeReady(t)
}

// abort asks for the end of the operations. Those that were not submitted never will be.
func (o *opWait) abort(t *Task) {
	switch {
	case !o.flying:
		t.s.fresh.remove(t)
		if o.err = t.cancelled(); o.err == nil {
			o.err = aiort.ErrCanceled // the context that it was given has ended
		}
		op.Refuse(o.err, o.ops...)
		t.s.makeReady(t)
	case o.c != nil:
		t.s.loop.Cancel(o.c)
	default:
		t.worker.runner.Cancel()
	}
}
