package aio

import (
	"context"
	"net"
	"sync"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/internal/sys"
)

// Event is a counter of notifications between goroutines, loops and operations: each Notify lets one Wait pass, also one
// that comes later. Any goroutine may call its methods. op.EventWait and op.EventNotify on Op make chains of it.
type Event struct {
	// Op is what operations wait for and notify.
	Op op.Event

	io    *IO
	waits sync.Pool // of *op.Op
}

// NewEvent makes an Event whose waits run on io's loops. It holds nothing that Close would have to give back.
func (io *IO) NewEvent() *Event {
	io.running()
	return &Event{io: io}
}

// NewEvent is IO.NewEvent on Default().
func NewEvent() *Event { return Default().NewEvent() }

// Notify lets one Wait pass: the one that waits longest, or the next to come. It does not block. After Close it does
// nothing.
func (e *Event) Notify() {
	if e == nil {
		panic("aio: Notify of a nil Event")
	}
	e.Op.Notify()
}

// Wait blocks until it is let pass, or ctx ends: then it returns the cause of that, and no notification is lost. After
// Close, of e or of its IO, the error is net.ErrClosed. Of a nil Event it is EINVAL.
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

// Close ends every Wait, and every later one at once, with net.ErrClosed. A second Close is net.ErrClosed.
func (e *Event) Close() error {
	if e == nil {
		return sys.EINVAL
	}
	if !e.Op.Close() {
		return net.ErrClosed
	}
	return nil
}
