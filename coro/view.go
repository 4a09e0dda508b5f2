package coro

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/internal/fd"
	"github.com/weirgo/weir/internal/prefetch"
	aiort "github.com/weirgo/weir/runtime"
)

// taskWaiter makes the calls of a task's views wait.
type taskWaiter struct{ t *Task }

var _ fd.Waiter = (*taskWaiter)(nil)

func (l *taskWaiter) Loop() *aiort.Loop { return l.t.s.loop }

func (l *taskWaiter) CheckCaller() error {
	l.t.mine()
	return l.t.cancelled()
}

// maxDirect is how many system calls a coroutine makes for its views before the loop and other
// tasks run.
const maxDirect = 16

// MayTry allows sends, which nearly always succeed: sending at once costs less than waiting. It
// allows a receive only if no other coroutine is ready. If others are, a try that finds nothing
// costs more than an entry in the system call that all share.
func (l *taskWaiter) MayTry(send bool) bool {
	t := l.t
	if t.direct == maxDirect || !send && !t.s.ready.empty() {
		return false
	}
	t.direct++
	return true
}

// Yield is [Task.Yield] for a view that has found nothing to do. It reports false if no other task
// is ready.
func (l *taskWaiter) Yield() bool {
	if l.t.s.ready.empty() {
		return false
	}
	l.t.giveWay()
	return true
}

// retry is a system call that a task has left to the scheduler.
type retry struct {
	call fd.Try // nil: there is no call to make
	fd   int
	p    []byte
	then [3]prefetch.Addr
	res  int
}

func (l *taskWaiter) Retry(try fd.Try, fd int, p []byte, then [3]prefetch.Addr) (int, bool) {
	t := l.t
	if t.s.ready.empty() {
		return 0, false
	}
	t.retry.call, t.retry.fd, t.retry.p, t.retry.then = try, fd, p, then
	t.s.makeReady(t)
	t.s.change(&t.sitter, t.s.successor(t))
	return t.retry.res, true
}

func (l *taskWaiter) Do(ctx context.Context, c *aiort.Completion) error { return l.t.do(ctx, c) }

func (l *taskWaiter) Wait(ctx context.Context, arm func(wake func()), disarm func() bool) error {
	t := l.t
	t.mine()
	w := &viewWait{disarm: disarm}
	arm(func() { t.s.ask(t, askWake) })
	if disarm == nil {
		t.wait(nil)
		return nil
	}
	if err := cause(ctx, t); err != nil && disarm() {
		return err
	}
	stop := t.follow(ctx)
	t.wait(w)
	t.unfollow(stop)
	if w.aborted {
		return cause(ctx, t)
	}
	return nil
}

// viewWait is a wait of package aio.
type viewWait struct {
	disarm  func() bool
	aborted bool
}

func (w *viewWait) abort(t *Task) {
	if w.disarm() {
		w.aborted = true
		t.s.makeReady(t)
	}
}

// Conn returns a view of c, a connection of package aio: the same connection, but its calls park
// this coroutine and let the thread run others. When the task is cancelled they end, with the cause
// in their *net.OpError. Deadlines and Close are those of the connection, and may be set from
// anywhere. The view has the same type as c. Only this task may use it, until the task is over; the
// connection stays open. Conn panics if c is not a connection of package aio.
func (t *Task) Conn(c net.Conn) net.Conn {
	t.mineSurely()
	if v, ok := t.view(c).(net.Conn); ok {
		return v
	}
	panic(fmt.Sprintf("coro: Conn of a %T: it takes connections of package aio", c))
}

// Listener is [Task.Conn] for listeners. The connections that it accepts are plain ones. The task
// that serves one, on this scheduler or another, makes a view of it.
func (t *Task) Listener(l net.Listener) net.Listener {
	t.mineSurely()
	if v, ok := t.view(l).(net.Listener); ok {
		return v
	}
	panic(fmt.Sprintf("coro: Listener of a %T: it takes listeners of package aio", l))
}

// File is [Task.Conn] for files. Reads of what the page cache holds are done at once. All other
// reads go through the loop, and so do all writes except those to a file system in memory.
func (t *Task) File(f *aio.File) *aio.File {
	t.mineSurely()
	if v, ok := t.view(f).(*aio.File); ok {
		return v
	}
	panic("coro: File of a File that is nil or zero")
}

func (t *Task) view(x any) any {
	v, of := fd.MakeView(&t.waiter, x)
	if v != nil {
		t.views.add(of)
	}
	return v
}

// views are those of a task that must be detached when it is over. The list does not keep them
// alive.
type views struct {
	list []fd.View
	full int // length at which collected ones are removed, so that each is looked at a few times at most
}

func (v *views) add(of fd.View) {
	if len(v.list) >= v.full {
		v.list = slices.DeleteFunc(v.list, fd.View.Gone)
		v.full = 2*len(v.list) + 8
	}
	v.list = append(v.list, of)
}

func (v *views) detach() {
	for _, of := range v.list {
		of.Detach()
	}
	*v = views{}
}

// Dial connects to address as aio.IO.DialContext does, on the pool for blocking calls, and returns
// a view of the connection: see [Task.Conn].
func (t *Task) Dial(network, address string) (net.Conn, error) {
	c, err := Blocking(t, func(ctx context.Context) (net.Conn, error) {
		return t.s.io.DialContext(ctx, network,
			address)
	})
	if err != nil {
		return nil, err
	}
	return t.Conn(c), nil
}
