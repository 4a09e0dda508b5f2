package aio

import (
	"context"

	"github.com/weirgo/weir/aio/op"
)

// Batch is a list of operations that [Start] has submitted.
type Batch = op.Batch

// Do submits ops, all of them or none, and blocks until all are over. If ctx ends first Do cancels
// the operations that are not done. The error is nil if all succeeded; otherwise it is an
// [*op.Error] for the first that failed. The ops hold their results. See package op; [op.Op.On]
// puts an operation on a File or connection of io.
func (io *IO) Do(ctx context.Context, ops ...*op.Op) error {
	mustContext(ctx)
	l, err := io.running().AnyWorker(op.Spread(ops))
	if err != nil {
		return op.Refuse(err, ops...)
	}
	return op.Do(ctx, l, ops...)
}

// Start submits ops, all of them or none, and returns at once. Done, Wait and Cancel of the Batch
// concern all of them. If they could not be submitted Wait returns the error.
func (io *IO) Start(ops ...*op.Op) *Batch {
	l, err := io.running().AnyWorker(op.Spread(ops))
	if err != nil {
		return op.Failed(err, ops...)
	}
	return op.Start(l, ops...)
}

// Do is [IO.Do] on [Default].
func Do(ctx context.Context, ops ...*op.Op) error { return Default().Do(ctx, ops...) }

// Start is [IO.Start] on [Default].
func Start(ops ...*op.Op) *Batch { return Default().Start(ops...) }
