//go:build !weir_portable

package fd

import (
	"context"
	"time"
	"weak"

	aiort "github.com/weirgo/weir/runtime"
	"github.com/weirgo/weir/sched"
)

// InitView makes h a view of another FD. If that is not open it returns nil.
func (h *FD) InitView(w Waiter, of *FD) View {
	if of.descriptor == nil {
		return nil
	}
	h.attach(w.Loop(), w, of)
	return h.view.viewEntry
}

// attach makes h another FD of the descriptor of the FD of: Close and deadlines reach it too.
func (h *FD) attach(loop *aiort.Loop, w Waiter, of *FD) {
	h.Loop, h.descriptor = loop, of.descriptor
	h.view = &viewState{waiter: w, viewEntry: &viewEntry{of: weak.Make(h)}}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.Closing() {
		if h.views == nil {
			h.views = new(viewList)
		}
		h.views.add(h.view.viewEntry)
	}
	h.R.setDeadline(translate(of.R.deadline.Load(), of.Loop, loop))
	h.W.setDeadline(translate(of.W.deadline.Load(), of.Loop, loop))
}

// detachView ends a view: Close and deadlines of the descriptor no longer reach it.
func (h *FD) detachView() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.views != nil {
		h.views.remove(h.view.viewEntry)
	}
}

// each calls f for every FD of the descriptor. The caller holds mu.
func (d *descriptor) each(f func(*FD)) {
	f(d.firstFD)
	if d.views == nil {
		return
	}
	for p := d.views.first; p != nil; p = p.next {
		if h := p.of.Value(); h != nil {
			f(h)
		}
	}
}

// translate converts a time of one loop's clock to another's. Values of 1 and less have meanings of
// their own: none, past, retired.
func translate(when int64, from, to *aiort.Loop) int64 {
	if when <= 1 || from == to {
		return when
	}
	return max(After(to.Now(), time.Duration(when-from.Now())), 1)
}

// CheckCaller checks that the caller may use h now: only its coroutine may use a view. The error
// says why the coroutine must not wait.
func (h *FD) CheckCaller() error {
	if h == nil || h.Waiter() == nil {
		return nil
	}
	return h.Waiter().CheckCaller()
}

// mayTry reports whether the caller may make the system call of a side itself, before it goes to
// the loop.
func (h *FD) mayTry(s *Side) bool {
	return h.Direct && (h.Waiter() == nil || h.Waiter().MayTry(s == &h.W))
}

// Await runs the operation of c to its end, while others run.
func (h *FD) Await(ctx context.Context, c *aiort.Completion) error {
	if h.Waiter() == nil {
		return h.Loop.Do(ctx, c)
	}
	return h.Waiter().Do(ctx, c)
}

// awaitEnd waits until the descriptor has been closed.
func (h *FD) awaitEnd() {
	defer sched.PutParker(h.closer)
	if h.Waiter() == nil {
		h.closer.Park()
		return
	}
	if !h.closer.TryPark() {
		h.Waiter().Wait(context.Background(), func(wake func()) {
			go func() { h.closer.Park(); wake() }()
		}, nil)
	}
}

// OnPool runs call on the pool, while the coroutine of a view waits.
func (h *FD) OnPool(call func()) error {
	c := new(aiort.Completion)
	c.Block(call)
	return h.Await(context.Background(), c)
}
