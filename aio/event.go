package aio

import (
	"context"
	"net"
	"sync"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/internal/sys"
)

// Event is a counting semaphore for goroutines, loops and operations: each [Event.Notify] lets one
// [Event.Wait] pass, including one that comes later. Any goroutine may call its methods. With
// [op.EventWait] and [op.EventNotify] on Op it becomes part of chains.
type Event struct {
	// Op is the event that operations wait for and notify.
	Op op.Event

	io    *IO
	waits sync.Pool // of *op.Op
}

// NewEvent makes an Event whose waits run on io's loops. It holds no resource, so it need not be
// closed.
func (io *IO) NewEvent() *Event {
	io.running()
	return &Event{io: io}
}

// NewEvent is [IO.NewEvent] on [Default].
func NewEvent() *Event { return Default().NewEvent() }

// Notify lets one [Event.Wait] pass: the one that has waited longest, or the next to come. It does
// not block. After Close it does nothing.
func (e *Event) Notify() {
	if e == nil {
		panic("aio: Notify of a nil Event")
	}
	e.Op.Notify()
}

// Wait blocks until it is let pass. If ctx ends first it returns the cause, and no notification is
// lost. After Close of e or of its IO the error is net.ErrClosed. For a nil Event it is EINVAL.
func (e *Event) Wait(ctx context.Context) error {
	mustContext(ctx)
	if e == nil {
		return sys.EINVAL
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e.Op.TryWait() {
		return nil
	}
	o, ok := e.waits.Get().(*op.Op)
	if !ok {
		o = op.EventWait(&e.Op)
	}
	defer e.waits.Put(o)
	l, err := e.io.running().Any(0)
	if err != nil {
		return err
	}
	err = op.Do(ctx, l, o)
	if which, ok := err.(*op.Error); ok {
		return which.Err
	}
	return err
}

// Close ends every [Event.Wait], and every later one at once, with net.ErrClosed. A second Close
// returns net.ErrClosed.
func (e *Event) Close() error {
	if e == nil {
		return sys.EINVAL
	}
	if !e.Op.Close() {
		return net.ErrClosed
	}
	return nil
}
