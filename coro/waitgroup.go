package coro

import (
	"context"
	"sync"
)

// WaitGroup counts work in progress, and lets others wait until it is done: see sync.WaitGroup. The
// zero value is ready. Any goroutine and any coroutine may call its methods.
type WaitGroup struct {
	mu   sync.Mutex
	n    int
	line line
}

// Add adds delta to the count. When the count becomes 0 every Wait ends; below 0 Add panics.
func (g *WaitGroup) Add(delta int) {
	g.mu.Lock()
	if g.n += delta; g.n < 0 {
		g.n -= delta
		g.mu.Unlock()
		panic("coro: negative WaitGroup counter")
	}
	var all chain
	if g.n == 0 {
		all = g.line.popAll()
	}
	g.mu.Unlock()
	all.wake(nil)
}

// Done subtracts one from the count.
func (g *WaitGroup) Done() { g.Add(-1) }

// Wait waits until the count is 0. If ctx or the task ends first the error is the cause. ctx
// follows the rule of this package: see [Task].
func (g *WaitGroup) Wait(ctx context.Context) error {
	t := taskOf(ctx)
	if err := cause(ctx, t); err != nil {
		return err
	}
	w := newWaiter(t)
	defer w.free()
	g.mu.Lock()
	if g.n == 0 {
		g.mu.Unlock()
		return nil
	}
	g.line.push(w)
	g.mu.Unlock()
	return w.await(ctx, g)
}

func (g *WaitGroup) withdraw(w *waiter) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.line.remove(w)
}

// Once runs a function once: see sync.Once. The function may wait. The zero value is ready. Any
// goroutine and any coroutine may call its methods.
type Once struct {
	m    Mutex
	over Event
}

// Do calls f if no earlier call did. Otherwise it waits until that call is over; a call that
// panicked is over too. If ctx or the task ends first the error is the cause. ctx follows the rule
// of this package: see [Task].
func (o *Once) Do(ctx context.Context, f func()) error {
	mustFunction(f == nil)
	if o.over.IsSet() {
		return nil
	}
	if err := o.m.Lock(ctx); err != nil {
		return err
	}
	defer o.m.Unlock()
	if !o.over.IsSet() {
		defer o.over.Set()
		f()
	}
	return nil
}
