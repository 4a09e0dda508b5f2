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

// Action is what a callback wants done with its Completion or Timer.
type Action int

const (
	// Disarm: leave it. The Completion is idle and may be submitted again. On an operation with Op.Multi that
	// is still in flight Disarm cancels it; the callback runs once more, with the terminal result.
	Disarm Action = iota
	// Rearm: submit the same operation again, unchanged; on an operation with Op.Multi that is still in
	// flight: go on.
	Rearm
)

// Completion is one operation and, once it is submitted, its record in flight. The zero value with Op filled in
// is ready. It must stay where it is (not be copied) and be left alone from Submit until it is idle again;
// submitting it earlier is ErrInFlight, and overwriting it is found out when the operation ends: the loop panics
// rather than guess. It may be used again and again, on the loop it was first submitted to.
//
// Methods other than SetDeadline and Retire are for its owner while it is idle, which includes the callback.
type Completion struct {
	_ noCopy

	// Op says what to do. The loop takes a copy when the operation starts.
	Op backends.Op

	// Callback runs on the loop's thread when the operation ends, and for each event of one with Op.Multi. The
	// Completion is idle then, unless More says otherwise, and may be submitted again. Do ignores Callback.
	Callback func(*Completion) Action

	// Link says how the next operation of a Batch depends on this one.
	Link Link

	more    bool
	cause   cause // why the loop asked for cancellation; the loop's until the Completion is idle
	tries   uint8 // times this activation was handed to the kernel again
	guarded bool  // the deadline is that of an OpLinkTimeout
	park    bool  // a goroutine waits, in Do; else Callback is to be called
	head    bool  // it stands for its batch
	passed  bool  // an OpEventWait got a notification: guarded by event.mu while it waits
	room    room  // what it takes of the room there is; of a member of a Batch that waits for room: what its chain takes
	res     int32
	place   int32       // in the batch
	signal  atomic.Bool // a Notify, the pool or an Event has ended, or begun, something: of this activation only

	life     atomic.Uint64 // counts activations, above stateBits, and holds the state, below
	abort    atomic.Uint64 // the activation that Cancel wants ended
	id       backends.ID   // while an event is due: guarded as the loop's fields are
	deadline atomic.Int64
	loop     atomic.Pointer[Loop]
	node     sched.Node[Completion]
	alarm    *Timer                // while the deadline of what is in flight is in the wheel: guarded as id is
	parker   sched.Parker          // what Do waits on
	batch    atomic.Pointer[Batch] // that it is a member of, or the head
	other    *Completion           // see Aim and From
	rare     *rare                 // what few operations need: nil until the first of them
}

// rare is what few operations need. There may be very many Completions, most of them of reads that wait.
type rare struct {
	fd    int    // what From has found
	event *Event // see At
	work  func() // of an OpBlocking
	call  *slot  // whose operation the pool is to do, in place of work
	at    standing
}

func (c *Completion) rarely() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// The states of a Completion. Submit makes idle claimed, which begins an activation, and, when all is set, queued; the
// tick that takes it from the intake makes it started. Its terminal event takes its id: from then on the loop leaves it
// alone, whoever still pushes it. Resolving it makes it idle. Rearm makes it started again, on the scheduler drive by
// way of claimed and queued, and belongs to the same activation unless a Cancel has ended that.
//
// A member of a Batch has none of that: its activation has the number of the batch's round, and it is idle again when
// that round is over, without being touched.
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

// idle reports whether c, of which life has just been read, is.
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

// become changes the state of a Completion that is not idle: whoever has brought it there is the only one to do so.
func (c *Completion) become(state uint64) { c.life.Store(c.life.Load()&^stateMask | state) }

// claim takes an idle Completion, as activation number next, counted from the one that is over.
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

// join takes an idle Completion for a round of b. Whoever finds it a member finds the batch of that round, too.
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

// aborted reports whether Cancel wants this activation ended.
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

// retired is the deadline that nothing moves.
const retired = math.MinInt64

// maxTries bounds how often an activation is submitted again because of EINTR, or a cancellation that nobody
// asked for, before its error is reported.
const maxTries = 100

// SetDeadline moves the time at which the operation, the one in flight and every later one, is cancelled:
// nanoseconds of the loop's clock (Loop.Now), 0 for none. A time in the past ends it at once. Any goroutine may
// call it at any time. What the operation has done by then counts: see Err.
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

// Deadline returns what SetDeadline set.
func (c *Completion) Deadline() int64 { return c.deadline.Load() }

// Retire ends the operation in flight, and every later one at its start, with ErrClosed. It cannot be undone. Any
// goroutine may call it at any time.
func (c *Completion) Retire() {
	c.deadline.Store(retired)
	c.nudge()
}

// nudge makes the loop look at a Completion in flight.
//
// A change that comes before Submit has stored stateQueued is seen by the tick that starts the operation, since that
// reads after it; one that comes later finds the state changed and gets past the check. Either way it is seen.
func (c *Completion) nudge() {
	if h := c.stands(); h != nil {
		if l := h.loop.Load(); l.intake.Push(&h.node) {
			l.notify(false)
		}
	}
}

// nudgeFrom is nudge for the middle of a tick of a loop, where no other tick must begin.
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

// stands returns what stands for c in the intake: the head of its batch, or c itself. It is nil if that is not in
// flight.
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

// N is the number of bytes transferred, the descriptor, the ready mask: the result of an operation that
// succeeded, or 0.
func (c *Completion) N() int { return int(max(c.res, 0)) }

// Res is the raw result: N, or -errno.
func (c *Completion) Res() int32 { return c.res }

// More reports, in a callback of an operation with Op.Multi, that it is still in flight.
func (c *Completion) More() bool { return c.more }

// Err is nil if the operation succeeded, even if it was asked to stop: what was done is never taken back. If it was
// stopped before it did anything it is ErrCanceled, os.ErrDeadlineExceeded or ErrClosed, according to who asked;
// otherwise it is the syscall.Errno.
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
