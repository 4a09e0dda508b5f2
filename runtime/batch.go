package runtime

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// Link says how the next operation of a [Batch] depends on this one. Linked operations form a
// chain; the chains of a batch run concurrently.
//
// The loop links operations, not the kernel: the next one starts when this one is over, in the same
// way on every backend.
type Link uint8

const (
	LinkNone Link = iota // the next one does not wait
	// the next one starts if this one succeeds and moves all it was asked to; otherwise the chain
	// ends
	LinkSoft
	LinkHard // the next one starts when this one is over, whatever its result
)

// Batch is a list of operations that are submitted together, all or none, and that is over when the
// last of them is. [Batch.Add] puts idle Completions into it; they are in flight from the
// submission of the batch to [Batch.Reset]. Their Callbacks are not called.
//
// In a Batch these operations do more than a backend does:
//
//   - OpTimeout ends Off nanoseconds after it started.
//   - OpLinkTimeout, behind a linked operation, gives that operation Off nanoseconds, after which
//     it is cancelled. OpLinkTimeout fails with os.ErrDeadlineExceeded if the limit ended the
//     operation. Otherwise it is transparent: the chain goes on, or ends, as without it.
//   - OpCancel asks for the end of the Completion given to [Completion.Aim]. It fails with ENOENT
//     if that is not in flight.
//   - OpClose with Flags CloseAll first ends what this loop has in flight on the descriptor.
type Batch struct {
	_ noCopy

	head Completion // stands for all members in the intake
	ops  []*Completion
	over func(*Batch)
	// number of the round in flight, which is also the activation of its members; 0: not in flight
	round    atomic.Uint64
	rounds   uint64 // the last round number used
	room     int64  // number of operations that need room
	apart    int64  // tokens of Loop.apart held while in flight
	left     int    // members not over yet; this field and those below belong to the loop
	stopping bool   // Cancel was called
}

// Round numbers are unique across batches, so that a late Cancel of one batch cannot name another.
// A Batch takes them in bulk.
const bulkOfRounds = 1 << 20

var lastRounds atomic.Uint64

func newRounds() uint64 { return lastRounds.Add(bulkOfRounds) }

// BorrowBatch returns an empty Batch from this loop's pool. [Loop.FreeBatch] gives it back.
func (l *Loop) BorrowBatch() *Batch {
	l.mustBeMade()
	if b, ok := l.spareBatches.Get().(*Batch); ok {
		return b
	}
	return NewBatch()
}

// NewBatch makes an empty Batch, as new does. It belongs to the loop that it is first submitted to.
func NewBatch() *Batch { return new(Batch) }

// Add appends c. c must not be in flight when the batch is submitted. Add panics if c is nil.
func (b *Batch) Add(c *Completion) {
	if c == nil {
		panic(errNoCompletion.Error())
	}
	if !b.head.head {
		b.head.Op.Code = backends.OpBatch
		b.head.head = true
		b.head.batch.Store(b)
		b.head.Callback = func(*Completion) Action { b.over(b); return Disarm }
	}
	b.ops = append(b.ops, c)
	if !roomless(c.Op.Code) {
		b.room++
	}
}

// FreeBatch resets a batch that [Loop.BorrowBatch] returned and gives it back. It leaves alone a
// batch that is still in flight or that belongs to another loop.
func (l *Loop) FreeBatch(b *Batch) {
	if b == nil || b.head.InFlight() {
		return
	}
	if of := b.head.loop.Load(); of != nil && of != l {
		return
	}
	b.Reset()
	l.spareBatches.Put(b)
}

// Reset empties a batch that is over, or that was not submitted, and makes its Completions idle.
// Their results stay.
func (b *Batch) Reset() {
	if b.round.Load() != 0 {
		b.round.Store(0)
	}
	clear(b.ops)
	b.ops, b.room = b.ops[:0], 0
	b.over = nil
}

// Cancel asks for the end of the operations of a batch that are in flight, and keeps the rest from
// starting. Every operation that has not been done ends with [ErrCanceled]. Any goroutine may call
// Cancel until the batch is freed.
func (b *Batch) Cancel() {
	if l := b.head.loop.Load(); l != nil {
		l.Cancel(&b.head)
	}
}

// DoBatch submits b and blocks until it is over. If ctx ends first, DoBatch cancels the batch; the
// results say what became of each operation. At [Options].MaxInFlight each chain of the batch waits
// for room, and time limits count meanwhile.
//
// An error means that nothing was submitted: [ErrInFlight], [ErrClosed], the cause of a context
// that ended before, [ErrBusy] for a batch larger than MaxInFlight, or a [*MemberError] for an
// invalid operation. Callbacks must not call DoBatch.
func (l *Loop) DoBatch(ctx context.Context, b *Batch) error {
	l.mustBeMade()
	mustContext(ctx)
	if b == nil {
		return errNoBatch
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(b.ops) == 0 {
		return nil
	}
	r, apart, err := l.admitBatch(b, true)
	if err != nil {
		return err
	}
	if err := b.claim(l, r, apart, stateClaimed); err != nil {
		return err
	}
	head := &b.head
	head.park = true
	head.become(stateQueued)
	if l.intake.Push(&head.node) {
		l.notify(true)
	} else {
		l.gathering.join()
	}
	done := ctx.Done()
	if done == nil {
		head.parker.Park()
		return nil
	}
	if head.parker.ParkUntil(done) {
		return nil
	}
	l.Cancel(head)
	head.parker.Park()
	return nil
}

// SubmitBatch is [Loop.DoBatch] that does not block: the loop's thread calls over when the last
// operation is over. It returns [ErrBusy] instead of waiting for room. Any goroutine may call it,
// including from callbacks.
func (l *Loop) SubmitBatch(b *Batch, over func(*Batch)) error {
	if err := l.takeBatch(b, over, false, stateClaimed); err != nil {
		return err
	}
	b.head.become(stateQueued)
	if l.intake.Push(&b.head.node) {
		l.notify(false)
	} else {
		l.gathering.join()
	}
	return nil
}

// SubmitBatchHere is [Loop.SubmitBatch] for the goroutine that runs the loop, as [Loop.SubmitHere]
// is [Loop.Submit].
func (l *Loop) SubmitBatchHere(b *Batch, over func(*Batch)) error {
	l.mustBeMade()
	if l.ofRuntime() {
		return ErrWrongThread
	}
	state := stateStarted
	if b == nil || b.head.loop.Load() != l { // as in SubmitHere
		state = stateClaimed
	}
	if err := l.takeBatch(b, over, true, state); err != nil {
		return err
	}
	if state == stateClaimed {
		b.head.become(stateStarted)
	}
	l.startBatch(b)
	return nil
}

func (l *Loop) takeBatch(b *Batch, over func(*Batch), waits bool, state uint64) error {
	l.mustBeMade()
	switch {
	case b == nil:
		return errNoBatch
	case len(b.ops) == 0:
		return errors.New("weir: an empty Batch")
	case over == nil:
		return errNoFunction
	}
	r, apart, err := l.admitBatch(b, waits)
	if err != nil {
		return err
	}
	b.over, b.head.park = over, false
	return b.claim(l, r, apart, state)
}

// claim takes the head and all members, which have been admitted, or none of them. state is the new
// state of the head: stateStarted only if the caller runs the loop.
func (b *Batch) claim(l *Loop, r room, apart int64, state uint64) error {
	if !b.head.claim(1, state) {
		l.withdraw(r, b.room, apart)
		return ErrInFlight
	}
	switch b.head.loop.Load() {
	case l:
	case nil:
		b.head.node.Value = &b.head
		b.head.loop.Store(l)
	default:
		b.head.become(stateIdle)
		l.withdraw(r, b.room, apart)
		return ErrOtherLoop
	}
	if b.round.Load() != 0 { // it has not been Reset
		b.head.become(stateIdle)
		l.withdraw(r, b.room, apart)
		return ErrInFlight
	}
	if b.rounds%bulkOfRounds == 0 {
		b.rounds = newRounds()
	}
	b.rounds++
	round := b.rounds
	b.round.Store(round)
	for i, c := range b.ops {
		err := c.checkMember()
		if err != nil {
			err = &MemberError{i, err}
		} else if !c.join(b, round) {
			err = ErrInFlight
		}
		if err != nil {
			b.round.Store(0) // the members claimed so far are idle again
			b.head.become(stateIdle)
			l.withdraw(r, b.room, apart)
			return err
		}
		c.place, c.room = int32(i), 0
		if c.loop.Load() != l {
			c.loop.Store(l)
		}
	}
	b.head.room, b.apart = r, apart
	return nil
}

// Aim names the Completion that an OpCancel is to end.
func (c *Completion) Aim(target *Completion) { c.other = target }

// From makes an operation of a Batch work on the descriptor that source results in. source is an
// earlier operation of the same chain, or one that is over. Op.FD is then ignored and stays
// unchanged. From(nil) makes the operation work on Op.FD again.
func (c *Completion) From(source *Completion) {
	c.other = source
	if source != nil {
		c.rarely()
	}
}

// fd returns the descriptor that a started operation works on.
func (c *Completion) fd() int {
	if c.other != nil && c.Op.Code != backends.OpCancel {
		return c.rare.fd
	}
	return c.Op.FD
}

// startBatch starts the first operation of each chain.
func (l *Loop) startBatch(b *Batch) {
	b.left, b.stopping = len(b.ops), b.head.aborted()
	link, owed := LinkNone, b.head.room&roomOwed != 0
	for i, c := range b.ops {
		if owed && link == LinkNone {
			b.chainOwes(i)
		}
		switch {
		case link != LinkNone: // it waits
		case b.stopping || c.Link != LinkNone || c.other != nil || l.isOdd(c):
			l.startMember(b, c)
		default:
			c.guarded = false
			l.launch(c)
		}
		link = c.Link
	}
}

// startMember starts a member of b: the first of a chain, or one whose predecessor is over.
func (l *Loop) startMember(b *Batch, c *Completion) {
	c.cause, c.guarded, c.id = causeNone, false, 0
	if b.stopping {
		c.cause = causeCancel
		l.conclude(c, -int32(sys.ECANCELED))
		return
	}
	when := int64(0)
	switch c.Op.Code {
	case backends.OpTimeout:
		if c.Op.Off > 0 {
			when = later(l.clock(), c.Op.Off)
		}
	case backends.OpCancel:
		l.conclude(c, l.aim(b, c.other))
		return
	case backends.OpEventNotify:
		w, ok := c.rare.event.pass()
		if w != nil {
			w.nudgeFrom(l)
		}
		res := int32(0)
		if !ok {
			c.cause, res = causeFileClosed, -int32(sys.ECANCELED)
		}
		l.conclude(c, res)
		return
	case backends.OpEventClose:
		waiters, _ := c.rare.event.shut()
		for _, w := range waiters {
			w.nudgeFrom(l)
		}
		l.conclude(c, 0)
		return
	default:
		if c.other != nil {
			c.rare.fd = int(c.other.res)
		}
	}
	if c.Link != LinkNone && int(c.place)+1 < len(b.ops) {
		if next := b.ops[c.place+1]; next.Op.Code == backends.OpLinkTimeout {
			if end := later(l.clock(), max(next.Op.Off, 0)); c.Op.Code != backends.OpTimeout || when != 0 &&
				end < when {
				when, c.guarded = end, true
			}
		}
	}
	if c.deadline.Load() != when {
		c.deadline.Store(when)
	}
	if c.other != nil {
		l.startOdd(c) // startOdd fills the descriptor in
	} else {
		l.start(c)
	}
}

// aim performs an OpCancel of target and returns its result.
func (l *Loop) aim(b *Batch, target *Completion) int32 {
	life := target.life.Load()
	if target.idle(life) {
		return -int32(sys.ENOENT)
	}
	target.abort.Store(life >> stateBits)
	if target.batch.Load() == b {
		if target.id != 0 {
			l.stop(target, causeCancel)
		}
	} else {
		target.nudgeFrom(l) // its loop may be another, or not set yet
	}
	return 0
}

// attendBatch handles a batch that was pushed to the intake again, for a cancellation or a
// deadline.
func (l *Loop) attendBatch(b *Batch) {
	if b.left == 0 {
		return // over, but not resolved yet
	}
	if b.head.aborted() {
		b.stopping = true
	}
	for _, c := range b.ops {
		if c.id != 0 && b.stopping {
			l.stop(c, causeCancel)
		}
		if c.id != 0 { // else it has not started, or is over
			l.attendStarted(c)
		}
	}
}

// conclude records the result of a member of a batch.
func (l *Loop) conclude(c *Completion, res int32) {
	b := c.batch.Load()
	switch {
	case b == nil:
		l.done = append(l.done, outcome{c: c, res: res})
	case c.Link == LinkNone:
		c.res = res
		l.passRoom(c, nil)
		l.memberOver(b)
	default: // advance starts the operation that is linked to it
		c.res = res
		l.linked = append(l.linked, c)
	}
}

// memberOver counts one member as over. The last one ends the batch.
func (l *Loop) memberOver(b *Batch) {
	if b.left--; b.left == 0 {
		l.done = append(l.done, outcome{c: &b.head})
	}
}

// advance continues the chains of which an operation is over.
func (l *Loop) advance() {
	if len(l.closers) > 0 {
		l.tryClosers()
	}
	for i := 0; i < len(l.linked); i++ { // the list grows while operations that start are over at once
		c := l.linked[i]
		l.linked[i] = nil
		l.at = c
		l.follow(c.batch.Load(), c)
	}
	l.at = nil
	l.linked = emptied(l.linked)
}

// follow starts the operation that is linked to c, which is over, or ends the rest of the chain.
func (l *Loop) follow(b *Batch, c *Completion) {
	why := c.breaks()
	link, i := c.Link, int(c.place)+1
	if i < len(b.ops) && b.ops[i].Op.Code == backends.OpLinkTimeout {
		guard := b.ops[i]
		guard.res, guard.cause = 0, causeNone
		if c.guarded && c.Err() == os.ErrDeadlineExceeded {
			guard.res, guard.cause = -int32(sys.ECANCELED), causeDeadline
		}
		link = guard.Link
		i++
		l.memberOver(b)
	}
	if why != causeNone && b.stopping {
		why = causeCancel
	}
	for ; link != LinkNone && i < len(b.ops); i++ {
		next := b.ops[i]
		if why == causeNone {
			l.passRoom(c, next)
			l.startMember(b, next)
			break
		}
		next.cause, next.res = why, -int32(sys.ECANCELED)
		link = next.Link
		l.memberOver(b)
	}
	l.passRoom(c, nil)
	l.memberOver(b) // last, because the batch may end with it
}

// breaks says why the operation linked to c, which is over, does not start: causeNone if it does.
func (c *Completion) breaks() cause {
	switch {
	case c.Link != LinkSoft:
		return causeNone
	case c.res < 0 && (c.cause == causeClose || c.cause == causeLost):
		return c.cause
	case c.res < 0:
		return causeSkipped
	case int64(c.res) < least(&c.Op):
		return causeShort
	}
	return causeNone
}

// least is the number of bytes an operation has to move for a softly linked operation to start. It
// is everything for operations that stop short only at the end of a file or when they are
// interrupted. For a receive any number will do, unless MSG_WAITALL asks for all.
func least(op *backends.Op) int64 {
	const msgWaitAll = 0x100
	switch op.Code {
	case backends.OpRead, backends.OpWrite, backends.OpSend, backends.OpSendZC:
		return int64(len(op.Buf))
	case backends.OpReadv, backends.OpWritev:
		return total(op.Bufs)
	case backends.OpSendMsg, backends.OpSendMsgZC:
		return total(op.Msg.Bufs)
	case backends.OpRecv:
		if op.Flags&msgWaitAll != 0 {
			return int64(len(op.Buf))
		}
	case backends.OpRecvMsg:
		if op.Flags&msgWaitAll != 0 {
			return total(op.Msg.Bufs)
		}
	case backends.OpSplice, backends.OpTee:
		return op.Args.Len
	}
	return 0
}

func total(bufs [][]byte) int64 {
	n := int64(0)
	for _, p := range bufs {
		n += int64(len(p))
	}
	return n
}
