package coro

import "slices"

// family is the set of live children of a task, or of tasks of a scheduler that have no parent, in
// the order in which they were spawned. It belongs to the loop's thread.
type family struct {
	youngest *Task
	children int
	joining  bool   // the parent waits until there are no children
	panics   panics // panics of children
}

// kin is a task's position in a family.
type kin struct {
	of           *family
	parent       *Task // nil: none
	older, newer *Task
	born         *scope // the parent's scope in which it was spawned
}

// add makes t the youngest.
func (f *family) add(t *Task) {
	t.of, t.older, t.newer = f, f.youngest, nil
	if f.youngest != nil {
		f.youngest.newer = t
	}
	f.youngest = t
	f.children++
}

// remove takes t out.
func (f *family) remove(t *Task) {
	if t.newer != nil {
		t.newer.older = t.older
	} else {
		f.youngest = t.older
	}
	if t.older != nil {
		t.older.newer = t.newer
	}
	t.of, t.older, t.newer = nil, nil, nil
	f.children--
}

// finish ends a task whose function is over. It waits for the children, which it cancels first
// unless the function succeeded, and leaves the task done. It runs on the task's coroutine.
func (t *Task) finish() {
	t.scope = &t.own
	if t.failed != nil || t.panicked != nil {
		t.cancelScope(&t.own, ErrCanceled)
	}
	for t.children > 0 {
		t.joining = true
		t.wait(&t.family)
		t.joining = false
	}
	for _, c := range t.panics.tasks {
		if c.detached.Load() {
			continue // the loop is about to pass it on
		}
		if p := c.unseenPanic(); p != nil && t.panicked == nil {
			t.panicked = p
		}
	}
	t.panics = panics{}
	t.views.detach()
	t.endContext()
	t.become(stateDone)
}

// abort does nothing: cancelling a task that waits for its children has cancelled them already.
func (f *family) abort(*Task) {}

// childEnded removes t, which is done, from its family.
func (f *family) childEnded(t *Task) {
	f.remove(t)
	p := t.parent
	if p == nil {
		return
	}
	if t.panicked != nil {
		f.panics.add(t)
	}
	if f.children == 0 && f.joining {
		p.s.makeReady(p)
	}
}

// panics are the tasks that ended with a panic that may not have been seen, in the order in which
// they ended.
type panics struct {
	tasks []*Task
	full  int // length at which seen ones are removed, so that each is looked at a few times at most
}

func (p *panics) add(t *Task) {
	if len(p.tasks) >= p.full {
		p.tasks = slices.DeleteFunc(p.tasks, (*Task).panicSeen)
		p.full = 2*len(p.tasks) + 8
	}
	p.tasks = append(p.tasks, t)
}

// seePanic returns the task's panic, if it had one, and marks it as seen. The caller passes it on.
func (t *Task) seePanic() *PanicError {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.observed = true
	return t.panicked
}

func (t *Task) panicSeen() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.observed
}

// unseenPanic is seePanic for a panic that has not been seen.
func (t *Task) unseenPanic() *PanicError {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.observed {
		return nil
	}
	t.observed = true
	return t.panicked
}
