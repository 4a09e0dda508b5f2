package runtime

import (
	"math"
	"net"
	"os"
	"sync/atomic"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
	"github.com/weirgo/weir/sched"
)

// Action is what a callback wants done with its [Completion] or [Timer].
type Action int

const (
	// Disarm leaves the Completion idle; it may be submitted again. On an operation with Op.Multi
	// that is still in flight Disarm cancels it, and the callback runs once more with the terminal
	// result.
	Disarm Action = iota
	// Rearm submits the same operation again, unchanged. On an operation with Op.Multi that is
	// still in flight it means: go on.
	Rearm
)

// Completion is one operation and, once submitted, its record in flight. The zero value with Op
// filled in is ready. It must not be copied. Its owner must not touch it between [Loop.Submit] and
// the time when it is idle again. To submit it earlier fails with [ErrInFlight]. If it is
// overwritten in flight, the loop notices when the operation ends, and panics rather than guess. A
// Completion may be used any number of times, on the loop it was first submitted to.
//
// Methods other than [Completion.SetDeadline] and [Completion.Retire] are for the owner while the
// Completion is idle, which includes the callback.
type Completion struct {
	_ noCopy

	// Op says what to do. The loop copies it when the operation starts.
	Op backends.Op

	// Callback runs on the loop's thread when the operation ends, and for each event of one with
	// Op.Multi. At that time the Completion is idle, unless More reports true, and may be submitted
	// again. [Loop.Do] ignores Callback.
	Callback func(*Completion) Action

	// Link says how the next operation of a [Batch] depends on this one.
	Link Link

	more    bool
	cause   cause  // why the loop asked for cancellation; the loop's until the Completion is idle
	tries   uint8  // how often this activation has been submitted again
	guarded bool   // the deadline comes from an OpLinkTimeout
	park    bool   // a goroutine waits in Do; otherwise Callback is to be called
	head    bool   // it is the head of its batch
	passed  bool   // an OpEventWait got a notification; guarded by event.mu while it waits
	room    room   // the room it takes; for a member of a Batch that waits for room: the room its chain takes
	mark    uint16 // see sighting; the loop's while the operation is in flight
	res     int32
	place   int32       // index in the batch
	signal  atomic.Bool // a Notify, the pool or an Event has a result for this activation

	life     atomic.Uint64 // the activation number, above stateBits, and the state, below
	abort    atomic.Uint64 // the activation that Cancel is to end
	id       backends.ID   // the operation's ID while an event is due; guarded as the loop's fields are
	deadline atomic.Int64
	loop     atomic.Pointer[Loop]
	node     sched.Node[Completion]
	alarm    *Timer                // the deadline of the operation in flight while it is in the wheel; guarded as id is
	parker   sched.Parker          // Do waits on it
	batch    atomic.Pointer[Batch] // the batch of which this is a member or the head
	other    *Completion           // see Aim and From
	rare     *rare                 // fields that few operations need; nil until the first use
}

// rare holds the fields that few operations need. There may be very many Completions, most of them
// of reads that wait.
type rare struct {
	fd    int    // the descriptor that From has found
	event *Event // see At
	work  func() // the function of an OpBlocking
	call  *slot  // the pool is to perform this slot's operation instead of work
	at    standing
}

func (c *Completion) rarely() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// The states of a Completion. Submit changes idle to claimed, which begins an activation, and then
// to queued when all fields are set. The tick that takes it from the intake changes it to started.
// Its terminal event clears its id; from then on the loop ignores it, even if it is pushed again.
// Resolving it makes it idle. Rearm makes it started again, on the scheduler drive by way of
// claimed and queued. That is the same activation, unless a Cancel has ended it.
//
// A member of a Batch has no such states: its activation has the number of the batch's round, and
// it is idle again when that round is over, without being touched.
const (
	stateIdle uint64 = iota
	stateClaimed
	stateQueued
	stateStarted
	stateMember

	stateBits = 3
	stateMask = 1<<stateBits - 1
)

func (c *Completion) state() uint64 {
	if life := c.life.Load(); !c.idle(life) {
		return life & stateMask
	}
	return stateIdle
}

// idle reports whether c is idle. life is the value just read from c.life.
func (c *Completion) idle(life uint64) bool {
	switch life & stateMask {
	case stateIdle:
		return true
	case stateMember:
		b := c.batch.Load() // or a later one, if that one is over
		return b == nil || b.round.Load() != life>>stateBits
	}
	return false
}

// become changes the state of a Completion that is not idle. Only the goroutine that brought it
// into its present state does so.
func (c *Completion) become(state uint64) { c.life.Store(c.life.Load()&^stateMask | state) }

// claim takes an idle Completion as the activation that is next steps after the last one.
func (c *Completion) claim(next, state uint64) bool {
	old := c.life.Load()
	if old&stateMask == stateIdle {
		return c.life.CompareAndSwap(old, old+next<<stateBits|state)
	}
	if !c.idle(old) || !c.life.CompareAndSwap(old, (newRounds()+1)<<stateBits|stateClaimed) {
		return false
	}
	c.batch.Store(nil) // it was a member of one
	if c.node.Value == nil {
		c.node.Value = c
	}
	c.become(state)
	return true
}

// join takes an idle Completion for a round of b. A goroutine that finds it to be a member also
// finds the batch of that round.
func (c *Completion) join(b *Batch, round uint64) bool {
	old := c.life.Load()
	if !c.idle(old) {
		return false
	}
	if c.batch.Load() == b {
		return c.life.CompareAndSwap(old, round<<stateBits|stateMember)
	}
	if !c.life.CompareAndSwap(old, round<<stateBits|stateClaimed) {
		return false
	}
	c.batch.Store(b)
	c.become(stateMember)
	return true
}

// aborted reports whether Cancel has asked for the end of this activation.
func (c *Completion) aborted() bool { return c.abort.Load() == c.life.Load()>>stateBits }

type cause uint8

const (
	causeNone cause = iota
	causeCancel
	causeDeadline
	causeClose
	causeLost
	causeFileClosed
	causeSkipped
	causeShort
)

// retired is a deadline that nothing moves.
const retired = math.MinInt64

// maxTries bounds how often an activation is submitted again after EINTR, or after a cancellation
// that was not asked for, before its error is reported.
const maxTries = 100

// SetDeadline sets the time at which the operation in flight, and every later one, is cancelled:
// nanoseconds of the loop's clock ([Loop.Now]), 0 for none. A time in the past ends the operation
// at once. Any goroutine may call it at any time. What the operation has done by then counts: see
// [Completion.Err].
func (c *Completion) SetDeadline(when int64) {
	for {
		old := c.deadline.Load()
		if old == retired || old == when {
			return
		}
		if c.deadline.CompareAndSwap(old, when) {
			break
		}
	}
	c.nudge()
}

// Deadline returns the time that [Completion.SetDeadline] set.
func (c *Completion) Deadline() int64 { return c.deadline.Load() }

// Retire ends the operation in flight, and every later one at its start, with [ErrClosed]. It
// cannot be undone. Any goroutine may call it at any time.
func (c *Completion) Retire() {
	c.deadline.Store(retired)
	c.nudge()
}

// nudge makes the loop look at a Completion in flight.
//
// The tick that starts the operation reads the deadline after Submit stores stateQueued. So that
// tick sees a change made before the store. A change made later finds the new state and is pushed
// here. Either way it is seen.
func (c *Completion) nudge() {
	if h := c.stands(); h != nil {
		if l := h.loop.Load(); l.intake.Push(&h.node) {
			l.notify(false)
		}
	}
}

// nudgeFrom is nudge for use in the middle of a tick, where no other tick may begin.
func (c *Completion) nudgeFrom(here *Loop) {
	h := c.stands()
	if h == nil {
		return
	}
	l := h.loop.Load()
	if !l.intake.Push(&h.node) {
		return
	}
	switch {
	case l.drive == driveThread:
		l.be.Wake()
	case l == here:
		l.sched.more.Store(true)
	default:
		bubble.Go(func() { l.turn() })
	}
}

// stands returns the Completion that represents c in the intake: the head of its batch, or c
// itself. It returns nil if that is not in flight.
func (c *Completion) stands() *Completion {
	inFlight := func(c *Completion) bool { s := c.state(); return s != stateIdle && s != stateClaimed }
	if !inFlight(c) {
		return nil
	}
	if b := c.batch.Load(); b != nil {
		if c = &b.head; !inFlight(c) {
			return nil
		}
	}
	return c
}

// N returns the result of an operation that succeeded: the number of bytes transferred, the
// descriptor or the ready mask. Otherwise it returns 0.
func (c *Completion) N() int { return int(max(c.res, 0)) }

// Res returns the raw result: N, or -errno.
func (c *Completion) Res() int32 { return c.res }

// More reports, in a callback of an operation with Op.Multi, that the operation is still in flight.
func (c *Completion) More() bool { return c.more }

// Err returns nil if the operation succeeded, even if it was asked to stop: what was done is never
// taken back. If it was stopped before it did anything, the error is [ErrCanceled],
// os.ErrDeadlineExceeded or [ErrClosed], depending on what stopped it. Otherwise it is the
// syscall.Errno.
func (c *Completion) Err() error {
	if c.res >= 0 {
		return nil
	}
	errno := errnoOf(c.res)
	switch errno {
	case sys.ECANCELED, sys.EINTR, sys.EAGAIN: // EAGAIN: it would have waited
		switch c.cause {
		case causeCancel:
			return ErrCanceled
		case causeDeadline:
			return os.ErrDeadlineExceeded
		case causeClose:
			return ErrClosed
		case causeLost:
			return c.loop.Load().lost
		case causeFileClosed:
			return net.ErrClosed
		case causeSkipped:
			return ErrSkipped
		case causeShort:
			return ErrShort
		}
	}
	return errno
}

// InFlight reports whether the Completion has been submitted and is not idle yet.
func (c *Completion) InFlight() bool { return c.state() != stateIdle }

// noCopy makes go vet report copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
