package aio

import (
	"context"

	"github.com/weirgo/weir/aio/op"
)

// Batch is a list of operations that Start has submitted.
type Batch = op.Batch

// Do submits ops, all of them or none, and blocks until all are over; when ctx ends first what is not done is cancelled.
// The error is nil if all succeeded; otherwise it is an *op.Error that says which is the first that did not. Results are
// in the ops. See package op; its On puts an operation on a File or connection of io.
func (io *IO) Do(ctx context.Context, ops ...*op.Op) error {
	mustContext(ctx)
	l, err := io.running().AnyWorker(op.Spread(ops))
	if err != nil {
		return op.Refuse(err, ops...)
	}
	return op.Do(ctx, l, ops...)
}

// Start submits ops, all of them or none, and returns at once: Done, Wait and Cancel of the Batch are about all of them. If
// they could not be submitted Wait says why.
func (io *IO) Start(ops ...*op.Op) *Batch {
	l, err := io.running().AnyWorker(op.Spread(ops))
	if err != nil {
		return op.Failed(err, ops...)
	}
	return op.Start(l, ops...)
}

// Do is IO.Do on Default().
func Do(ctx context.Context, ops ...*op.Op) error { return Default().Do(ctx, ops...) }

// Start is IO.Start on Default().
func Start(ops ...*op.Op) *Batch { return Default().Start(ops...) }
