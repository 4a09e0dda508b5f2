package coro

import "context"

// Group is a set of children of one task that belong together: the first that fails cancels the
// others. Its methods are for the coroutine of the task that it was made for.
type Group struct {
	t     *Task
	limit int   // how many may run at a time; 0: any number
	n     int   // number of tasks that are not over
	err   error // error of the first that failed
	bad   *Task // the first that panicked

	waiting bool // in Go for room, or in Wait
	room    int  // the wait ends when n is below it
}

// NewGroup returns a group of children of t.
func NewGroup(t *Task) *Group {
	t.mineSurely()
	return &Group{t: t}
}

// SetLimit bounds how many tasks of the group run at a time: [Group.Go] waits until there is room.
// 0 or less: no bound.
func (g *Group) SetLimit(n int) {
	g.t.mineSurely()
	g.limit = max(n, 0)
}

// Go starts f as a task of the group, and waits for room if the group has a limit. If the task that
// the group belongs to is cancelled meanwhile, f is not called and the error is the cause. After a
// task of the group has failed, further ones are cancelled from the start.
func (g *Group) Go(f func(t *Task) error, options ...Option) error {
	mustFunction(f == nil)
	t := g.t
	t.mineSurely()
	for g.limit > 0 && g.n >= g.limit {
		if err := t.cancelled(); err != nil {
			return err
		}
		g.await(g.limit)
	}
	if err := t.cancelled(); err != nil {
		return err
	}
	h := &Handle[struct{}]{f: func(t *Task) (struct{}, error) { return struct{}{}, f(t) }}
	for _, o := range options {
		o.apply(&h.task)
	}
	h.task.group = g
	g.n++
	t.spawn(&h.task, h)
	if g.failed() {
		h.task.cancel(ErrCanceled)
	}
	return nil
}

// Wait waits until all tasks of the group are over. It returns the error of the first that failed,
// or panics with the panic of the first that panicked. Cancelling the task that the group belongs
// to cancels the group's tasks. Wait then waits for their end, and returns the cause if none of
// them has another error. The end of a Timeout cancels the tasks that were spawned in it. If others
// go on, Wait returns the cause at once and may be called again.
func (g *Group) Wait() error {
	t := g.t
	t.mineSurely()
	for g.n > 0 {
		if err := t.cancelled(); err != nil && g.spared() {
			return err
		}
		g.await(1)
	}
	if g.bad != nil {
		if p := g.bad.seePanic(); p != nil {
			panic(p)
		}
	}
	if g.err != nil {
		return g.err
	}
	return t.cancelled()
}

// await waits until fewer than room tasks are left, or something has been cancelled.
func (g *Group) await(room int) {
	g.room, g.waiting = room, true
	g.t.wait(g)
	g.waiting = false
}

// spared reports whether a task of the group that has not been cancelled goes on.
func (g *Group) spared() bool {
	for t := g.t.youngest; t != nil; t = t.older {
		if t.group == g && t.own.cause == nil {
			return true
		}
	}
	return false
}

// abort makes await check whether it must go on.
func (g *Group) abort(t *Task) {
	g.waiting = false
	t.s.makeReady(t)
}

func (g *Group) failed() bool { return g.err != nil || g.bad != nil }

// ended records that a task of the group is over. It runs on the loop.
func (g *Group) ended(t *Task) {
	g.n--
	first := !g.failed()
	switch {
	case t.panicked != nil && g.bad == nil:
		g.bad = t
	case t.failed != nil && g.err == nil:
		g.err = t.failed
	}
	if first && g.failed() {
		g.cancel()
	}
	if g.waiting && g.n < g.room {
		g.waiting = false
		g.t.s.makeReady(g.t)
	}
}

// cancel cancels the tasks of the group, newest first.
func (g *Group) cancel() {
	for t := g.t.youngest; t != nil; {
		older := t.older
		if t.group == g {
			t.cancel(ErrCanceled)
		}
		t = older
	}
}

// Cancel cancels the tasks of the group, newest first. Wait still waits for them.
func (g *Group) Cancel() {
	g.t.mineSurely()
	g.cancel()
}

// Race calls each of fs in a task of its own and returns the result of the first that is over. It
// cancels the others, and waits until they are over too. If any of them panics, Race panics with a
// [*PanicError]. With no function it waits until t is cancelled.
func Race[T any](t *Task, fs ...func(t *Task) (T, error)) (T, error) {
	t.mineSurely()
	for _, f := range fs {
		mustFunction(f == nil)
	}
	hs := make([]*Handle[T], len(fs))
	cases := make([]Case, len(fs))
	for i, f := range fs {
		hs[i] = Spawn(t, f)
		cases[i] = Ended(hs[i])
	}
	won, err := Select(t, cases...)
	for i := len(hs) - 1; i >= 0; i-- {
		hs[i].task.cancel(ErrCanceled)
	}
	var v T
	t.Mask(func() {
		for i, h := range hs {
			if hv, herr := h.Wait(context.Context(t)); i == won && err == nil {
				v, err = hv, herr
			}
		}
	})
	return v, err
}
