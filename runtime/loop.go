package runtime

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/backoff"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
	"github.com/weirgo/weir/sched"
)

// Loop owns one backend, the slots of the operations in flight on it, their timers, and the intake
// through which goroutines submit operations. The package comment says how it is driven.
type Loop struct {
	be    backends.Backend
	drive drive

	intake    sched.Intake[Completion]
	gathering gathering
	limit     *sched.Limit // see room.go
	apart     *sched.Limit

	// mu is held for a tick on the scheduler drive; a thread loop needs no lock. It guards the
	// fields below.
	mu       sync.Mutex
	slots    slots
	wheel    *sched.Wheel[Timer]
	now      int64                  // the clock as read in this tick; 0: not read yet
	batch    []*backends.Completion // started, not yet taken by the backend
	cancels  []backends.ID          // cancellations that the backend has not taken yet
	events   []backends.Event
	done     []outcome // to be resolved
	donePos  int       // how far dispatch has come, so that a callback that panics does not lose the others
	closing  bool
	ending   bool          // closing, or lost
	lost     error         // the backend failed
	timers   int           // callback timers armed
	alarms   []*Timer      // unused timers, for deadlines
	resolved atomic.Uint64 // callbacks run
	sched    schedDrive    // of the scheduler drive
	thread   threadDrive   // of the thread drive
	pool     *pool
	refuse   atomic.Bool   // the loop takes no more operations
	closeIt  atomic.Bool   // the operations in flight are to be cancelled
	ended    chan struct{} // closed when the last operation is over and the backend is closed
	endErr   error         // the error of closing the backend; valid after ended
	stats    loopStats
	started  tally     // operations not added to stats.ops yet
	spare    sync.Pool // of *Completion

	announcer backends.Announcer // the backend, if it implements Announcer
	insist    insist
	taken     *sched.Node[Completion] // taken from the intake and not looked at yet
	at        *Completion             // the Completion that a tick is working at
	firing    bool                    // a tick runs the callback of a Timer
	logger    *slog.Logger

	spinTime int64           // see SetSpin
	spin     backoff.Backoff // for events, on a thread loop

	edges   map[*slot]sys.Edge      // see waitForEdge
	partial bool                    // the backend may lack operations
	lacks   [backends.NumCodes]bool // the operations that it lacks
	plain   [backends.NumCodes]bool // the operations that it refuses on registered memory and files
	odd     [backends.NumCodes]bool // lacks, plain and hasOwnStart together

	spareBatches sync.Pool
	linked       []*Completion // over, while others of their chains wait for them
	closers      []closer
	gate         gate
	line         line
	peers        func() []*Loop // the loops of the same Runtime; nil: there are none

	known  func() ([]*Buffers, []*FixedFile) // what the Runtime has registered; nil: there is no Runtime
	viewer viewer                            // see snapshot.go
	asked  atomic.Bool                       // asks is not empty
	asks   struct {                          // requests of inLoop on the thread drive
		sync.Mutex
		list []func()
	}
}

// outcome is an event that waits for its callback or wake-up.
type outcome struct {
	c    *Completion
	res  int32
	more bool
}

type drive uint8

const (
	driveThread drive = iota
	driveScheduler
)

// eventBatch is how many events one Poll copies out at most.
const eventBatch = 256

func newLoop(be backends.Backend, d drive, maxInFlight int64, p *pool) *Loop {
	l := &Loop{
		be: be, drive: d, pool: p,
		limit:  sched.NewLimit(maxInFlight),
		apart:  sched.NewLimit(backends.MaxSlots - maxRoom),
		wheel:  sched.NewWheel[Timer](be.Now()),
		events: make([]backends.Event, eventBatch),
	}
	l.ended = make(chan struct{})
	l.announcer, _ = be.(backends.Announcer)
	if b, ok := be.(backends.Shrinker); ok {
		l.slots.shrink = b.Shrink
	}
	for code := range backends.NumCodes {
		l.odd[code] = hasOwnStart(backends.Code(code))
	}
	if b, ok := be.(partialBackend); ok {
		l.partial = true
		for code := range backends.NumCodes {
			if c := backends.Code(code); !b.Supports(c) {
				l.fallBack(c)
			}
		}
	}
	return l
}

// Now returns the time on the loop's clock: monotonic nanoseconds, the unit of deadlines.
func (l *Loop) Now() int64 {
	l.mustBeMade()
	return l.be.Now()
}

// Submit hands an operation to the loop, whose thread calls c.Callback when it is over. Any
// goroutine may call Submit, including from callbacks; it does not block. It fails with
// [ErrInFlight] if c has not come back from its last submission, with [ErrBusy] at
// [Options].MaxInFlight, and with [ErrClosed]. If it fails c.Callback is not called.
func (l *Loop) Submit(c *Completion) error {
	l.mustBeMade()
	if c == nil {
		return errNoCompletion
	}
	if c.Callback == nil {
		return errNoCallback
	}
	if err := c.check(); err != nil {
		return err
	}
	r, err := l.admit(c, false)
	if err != nil {
		return err
	}
	return l.push(c, r, false)
}

// push queues c, which has been admitted. park says that the caller is going to wait on c.parker.
func (l *Loop) push(c *Completion, r room, park bool) error {
	if err := l.claim(c, r, stateClaimed); err != nil {
		return err
	}
	c.park = park
	c.become(stateQueued)
	if l.intake.Push(&c.node) {
		l.notify(park)
	} else {
		l.gathering.join()
	}
	return nil
}

// claim takes an idle Completion, which has been admitted, for a new activation on l. On failure it
// takes the admission back.
func (l *Loop) claim(c *Completion, r room, state uint64) error {
	if !c.claim(1, state) {
		l.withdraw(r, 1, 1)
		return ErrInFlight
	}
	if of := c.loop.Load(); of == nil {
		c.node.Value = c
		c.loop.Store(l)
	} else if of != l {
		c.become(stateIdle)
		l.withdraw(r, 1, 1)
		return ErrOtherLoop
	}
	c.room = r
	return nil
}

// Cancel asks for the end of the operation c if it is in flight. Its callback runs as always: Err
// is [ErrCanceled], or the operation was done anyway. Any goroutine that knows c may call Cancel;
// it does not block. A Cancel that comes too late has no effect on a later operation with the same
// Completion.
func (l *Loop) Cancel(c *Completion) {
	l.CancelWhile(c)
	c.nudge()
}

// CancelWhile is the first half of [Loop.Cancel]: it marks the present activation of c. It runs
// nothing, so a caller may hold locks that keep c from being submitted again. The caller then
// releases them and calls [Loop.Look].
func (l *Loop) CancelWhile(c *Completion) { c.abort.Store(c.life.Load() >> stateBits) }

// Look makes the loop of c see what has been asked of c, if it is in flight. It may run a tick, and
// with it callbacks.
func (l *Loop) Look(c *Completion) { c.nudge() }

// Do submits c and blocks until it is over: then the kernel no longer uses anything that c points
// to. If ctx ends first, Do cancels the operation; the error is nil if it was done anyway. At
// [Options].MaxInFlight Do waits for room or for ctx. Callbacks must not call it.
//
// The error is that of [Completion.Err], with the context's cause in place of [ErrCanceled] if ctx
// ended. If c was not submitted the error is [ErrInFlight], [ErrClosed], or the cause of a context
// that was over before.
func (l *Loop) Do(ctx context.Context, c *Completion) error {
	l.mustBeMade()
	mustContext(ctx)
	if c == nil {
		return errNoCompletion
	}
	if c.Op.Multi {
		return errMulti
	}
	if err := c.check(); err != nil {
		return err
	}
	done := ctx.Done()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r, err := roomHeld, error(nil)
	if roomless(c.Op.Code) || !l.limit.TryAcquire() {
		if r, err = l.admit(c, true); err != nil {
			return err
		}
	}
	if err := l.push(c, r, true); err != nil {
		return err
	}
	if done == nil {
		c.parker.Park()
		return c.Err()
	}
	return l.waitWith(ctx, c)
}

// waitWith waits for c, which Do has submitted, and cancels it when ctx ends. It is a function of
// its own because a select takes much stack.
func (l *Loop) waitWith(ctx context.Context, c *Completion) error {
	if c.parker.ParkUntil(ctx.Done()) {
		return c.Err()
	}
	l.Cancel(c)
	c.parker.Park()
	if err := c.Err(); err != ErrCanceled {
		return err
	}
	return context.Cause(ctx)
}

// Borrow returns a Completion for an operation with [Loop.Do], from this loop's pool. [Loop.Return]
// gives it back, idle and without a deadline.
func (l *Loop) Borrow() *Completion {
	if c, ok := l.spare.Get().(*Completion); ok {
		return c
	}
	return new(Completion)
}

// Return gives back a Completion that [Loop.Borrow] returned. It leaves alone one that is still in
// flight, because a panic has unwound its caller, and one of another loop.
func (l *Loop) Return(c *Completion) {
	if c == nil || c.InFlight() {
		return
	}
	if of := c.loop.Load(); of != nil && of != l {
		return
	}
	c.Op = backends.Op{}
	c.SetDeadline(0)
	if c.Deadline() == retired {
		return
	}
	l.spare.Put(c)
}

// notify makes the loop take its intake soon: on the scheduler drive by a turn, otherwise by waking
// its thread. waits says that the caller, which found the intake empty, is going to wait: see
// gathering.
func (l *Loop) notify(waits bool) {
	switch {
	case l.drive == driveScheduler:
		l.gathering.yield()
		l.turn()
	case waits:
		l.gathering.yield()
		l.be.Wake()
	default:
		l.be.Wake()
	}
}

// Post runs f once on the loop's thread, soon. Any goroutine may call it; it does not block. It
// fails with [ErrBusy] or [ErrClosed] as [Loop.Submit] does.
func (l *Loop) Post(f func()) error {
	if f == nil {
		return errNoFunction
	}
	c := &Completion{Op: backends.Op{Code: backends.OpAsync}, Callback: func(*Completion) Action { f(); return Disarm }}
	c.signal.Store(true)
	return l.Submit(c)
}

// inLoop runs f between ticks and waits for it. It returns false, without having run f, if the loop
// has ended; on the scheduler drive f may run after the end. Some goroutine must be running the
// loop.
func (l *Loop) inLoop(f func()) bool {
	if l.drive == driveScheduler {
		l.locked(f)
		l.turn() // for goroutines that found the lock taken
		return true
	}
	ran := bubble.MakeChan[struct{}](0)
	l.asks.Lock()
	l.asks.list = append(l.asks.list, func() { f(); close(ran) })
	l.asked.Store(true)
	l.asks.Unlock()
	l.be.Wake()
	select {
	case <-ran:
		return true
	case <-l.ended:
	}
	select {
	case <-ran:
		return true
	default:
		return false
	}
}

func (l *Loop) locked(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// answer runs the functions that inLoop has queued.
func (l *Loop) answer() {
	l.asks.Lock()
	list := l.asks.list
	l.asks.list = nil
	l.asked.Store(false)
	l.asks.Unlock()
	for _, f := range list {
		f()
	}
}

// clock reads the backend's clock at most once a tick.
func (l *Loop) clock() int64 {
	if l.now == 0 {
		l.now = l.be.Now()
	}
	return l.now
}
