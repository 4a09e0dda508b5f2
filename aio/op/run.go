package op

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// Errors of lists that cannot be submitted.
var (
	errNil        = fmt.Errorf("nil where there has to be something: %w", sys.EINVAL)
	errLoose      = errors.New("is linked, and nothing follows")
	errNoGuarded  = errors.New("has no linked operation before it")
	errFromBehind = errors.New("takes its descriptor From an operation that is neither over nor earlier in its chain")
)

// Do submits ops to l, all of them or none, in order, and blocks until all are over. Chains, which
// [Op.Link] makes, run concurrently. If ctx ends first Do cancels everything that is not done, and
// returns when the kernel has completed it. Any goroutine may call it, except callbacks of l.
//
// The error is nil if all operations succeeded, even if they were asked to stop. Otherwise it is an
// [*Error] for the first in the list that failed. Its Err is that of the Op, or the context's cause
// if the Op has [ErrCanceled] and the context has ended. The ops hold all results. An Op that made
// a descriptor and has no error has one that must be closed.
//
// If nothing was submitted the error is [ErrInFlight], net.ErrClosed, the cause of a context that
// was over before, an *Error for an invalid list, or aiort.ErrBusy for a list longer than
// Options.MaxInFlight. In that case it is also the Err of all ops that are not in flight elsewhere.
func Do(ctx context.Context, l *aiort.Loop, ops ...*Op) error {
	mustContext(ctx) // before hold keeps anything
	b := l.BorrowBatch()
	err := enlist(l, b, ops)
	if err == nil {
		err = l.DoBatch(ctx, b)
	}
	if err != nil {
		l.FreeBatch(b)
		return Refuse(err, ops...)
	}
	err = collect(ops)
	l.FreeBatch(b)
	if e, ok := err.(*Error); ok && e.Err == ErrCanceled && ctx.Err() != nil {
		e.Err = context.Cause(ctx)
	}
	return err
}

func mustContext(ctx context.Context) {
	if ctx == nil {
		panic("op: nil context")
	}
}

// Refuse records that ops were not submitted, because of err, which it returns. err becomes the Err
// of those that are not in flight elsewhere. It is for packages that submit operations for others.
func Refuse(err error, ops ...*Op) error {
	if m, ok := err.(*aiort.MemberError); ok {
		err = failed(m.Index, ops[m.Index], m.Err)
	}
	for _, o := range ops {
		if o != nil && !o.c.InFlight() {
			o.N, o.Err, o.ran = 0, err, false
			if o.hold != nil {
				o.hold.drop()
			}
		}
	}
	return err
}

// Spread returns a number that is equal for lists that begin with operations on the same
// descriptor. It serves to choose among loops.
func Spread(ops []*Op) uint32 {
	for _, o := range ops {
		if o != nil && !o.c.InFlight() && o.c.Op.FD > 0 {
			return uint32(o.c.Op.FD)
		}
	}
	return 0
}

// enlist checks ops and fills b with them.
func enlist(l *aiort.Loop, b *aiort.Batch, ops []*Op) error {
	chain, link := 0, aiort.LinkNone // the index where the chain begins; the link of the operation before
	var held *FixedFile              // the file that an operation before holds for all that follow and are on it too
	for i, o := range ops {
		if o == nil {
			return &Error{Index: i, Err: errNil}
		}
		linked := link != aiort.LinkNone
		if link = o.c.Link; !linked {
			chain = i
		}
		if o.plain() {
			b.Add(&o.c)
			continue
		}
		if o.c.InFlight() { // the batch would detect it, but an operation in flight must not be changed
			return ErrInFlight
		}
		if err := o.check(ops[chain:i], linked); err != nil {
			return failed(i, o, err)
		}
		if o.hold != nil { // last, because what has not been taken cannot be dropped
			if err := o.hold.take(l, o, held); err != nil {
				return failed(i, o, err)
			}
			held = o.hold.file
		}
		b.Add(&o.c)
	}
	if n := len(ops); link != aiort.LinkNone {
		return failed(n-1, ops[n-1], errLoose)
	}
	return nil
}

// plain reports whether there is nothing to check and to prepare.
func (o *Op) plain() bool {
	return !sys.RaceEnabled && (!sys.Tested || o.c.Op.Args == nil) && o.invalid == nil && o.source == nil &&
		o.hold == nil &&
		o.c.Op.Code != backends.OpAccept && o.c.Op.Code != backends.OpLinkTimeout
}

// check reports why o cannot be submitted, and prepares it. before is the part of its chain that
// precedes it.
func (o *Op) check(before []*Op, linked bool) error {
	if o.invalid != nil {
		return o.invalid
	}
	switch op := &o.c.Op; op.Code {
	case backends.OpLinkTimeout:
		if !linked || before[len(before)-1].c.Op.Code == backends.OpLinkTimeout {
			return errNoGuarded
		}
	case backends.OpAccept:
		op.Addr.Len = uint32(len(op.Addr.Data))
	case backends.OpWrite, backends.OpSend, backends.OpSendZC:
		sys.RaceSending(op.Buf)
	case backends.OpOpen, backends.OpStatx:
		o.tell()
	}
	if o.source != nil && !precedes(o.source, before) {
		return errFromBehind
	}
	return nil
}

func precedes(source *Op, before []*Op) bool {
	for _, o := range before {
		if o == source {
			return true
		}
	}
	return !source.c.InFlight() && source.ran
}

// collect stores the results of ops, which are over. It returns an *Error for the first that
// failed, or nil.
func collect(ops []*Op) (first error) {
	for i, o := range ops {
		o.ran = true
		var closed error
		if o.hold != nil {
			closed = o.hold.drop()
		}
		if res := o.c.Res(); res < 0 {
			if o.N, o.Err = 0, o.c.Err(); o.Err == ErrCanceled && closed != nil {
				o.Err = closed
			}
			if first == nil {
				first = failed(i, o, o.Err)
			}
			continue
		} else if o.N = int(res); o.Err != nil {
			o.Err = nil
		}
		if !sys.RaceEnabled {
			continue
		}
		switch op := &o.c.Op; op.Code {
		case backends.OpRead, backends.OpRecv, backends.OpGetxattr:
			sys.RaceReceived(op.Buf[:min(o.N, len(op.Buf))])
		}
	}
	return first
}

// Batch is a list of operations that [Start] has submitted. Any goroutine may call its methods.
type Batch struct {
	b    *aiort.Batch
	ops  []*Op
	done chan struct{}
	err  error // valid after done
	over atomic.Bool
}

// Start is [Do] that does not block. Instead of waiting for room it fails with aiort.ErrBusy. If
// nothing could be submitted the Batch is over at once, and [Batch.Wait] returns the error. The
// caller may reuse the slice ops when Start has returned.
func Start(l *aiort.Loop, ops ...*Op) *Batch {
	// the slice stays the caller's
	b := &Batch{b: aiort.NewBatch(), ops: slices.Clone(ops), done: bubble.MakeChan[struct{}](0)}
	err := enlist(l, b.b, ops)
	if err == nil && len(ops) > 0 {
		if err = l.SubmitBatch(b.b, b.end); err == nil {
			return b // end may have run already
		}
	}
	b.b.Reset()
	b.err = Refuse(err, ops...)
	b.over.Store(true)
	close(b.done)
	return b
}

// Failed returns the Batch of ops that could not be submitted because of err.
func Failed(err error, ops ...*Op) *Batch {
	b := &Batch{b: aiort.NewBatch(), err: Refuse(err, ops...), done: bubble.MakeChan[struct{}](0)}
	b.over.Store(true)
	close(b.done)
	return b
}

func (b *Batch) end(*aiort.Batch) {
	b.err = collect(b.ops)
	b.b.Reset()
	b.over.Store(true)
	close(b.done)
}

// Done returns a channel that is closed when all operations are over, or none was submitted. From
// then on their results are valid, and the operations may be used again.
func (b *Batch) Done() <-chan struct{} { return b.done }

// Wait blocks until all operations are over and returns the error that [Do] would. If ctx ends
// first Wait returns its cause, and the operations go on; [Batch.Cancel] ends them.
func (b *Batch) Wait(ctx context.Context) error {
	mustContext(ctx)
	select {
	case <-b.done:
		return b.err
	default:
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Cancel asks for the end of all operations that are not over. It does not wait: [Batch.Done] says
// when they are over, and each Op then whether it was cancelled or done anyway. After the end
// Cancel does nothing.
func (b *Batch) Cancel() {
	if !b.over.Load() {
		b.b.Cancel()
	}
}

// A Runner submits lists of operations, one at a time, from the thread of the loop that they run
// on: from callbacks, or between ticks. It allocates nothing for each list. The zero value is
// ready.
type Runner struct {
	b    *aiort.Batch
	ops  []*Op
	over func(error)
	end  func(*aiort.Batch)
}

// Start submits ops to l as [Do] does, without waiting. When all are over the loop's thread calls
// over with the error that Do would return. The Runner and the ops are free again then. If Start
// returns an error nothing was submitted, and over is not called. A Runner stays with the loop it
// was first used with.
func (r *Runner) Start(l *aiort.Loop, over func(error), ops ...*Op) error {
	if r.b == nil {
		r.b = aiort.NewBatch()
		r.end = func(b *aiort.Batch) {
			err := collect(r.ops)
			over := r.over
			r.ops, r.over = r.ops[:0], nil
			b.Reset()
			over(err)
		}
	}
	if r.over != nil {
		return ErrInFlight
	}
	if len(ops) == 0 {
		return &Error{Err: errNil}
	}
	if over == nil {
		return Refuse(&Error{Err: errNil}, ops...)
	}
	err := enlist(l, r.b, ops)
	if err == nil {
		r.ops, r.over = append(r.ops[:0], ops...), over
		if err = l.SubmitBatchHere(r.b, r.end); err == nil {
			return nil
		}
		r.over = nil
	}
	r.b.Reset()
	return Refuse(err, ops...)
}

// Cancel asks for the end of the operations that [Runner.Start] has submitted and that are not
// over. Any goroutine may call it after a Start; before one it does nothing.
func (r *Runner) Cancel() {
	if r.b != nil {
		r.b.Cancel()
	}
}
