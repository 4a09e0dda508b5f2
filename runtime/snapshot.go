package runtime

import (
	"sync"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
)

// SnapshotOptions say how much a snapshot looks at. The zero value is good.
type SnapshotOptions struct {
	// Limit is the most operations of each loop, and tasks of each scheduler of coroutines, that a
	// snapshot lists; it counts the rest. 0: 1,000. Negative: none. At most 1,048,576.
	Limit int

	// Wait is how long a snapshot waits for all loops together. A loop that has not answered by
	// then is called stuck. 0: 100 ms. At most 5 s.
	Wait time.Duration

	// Bare leaves out what the descriptors are: names of files and addresses. They take up to three
	// system calls for each descriptor, which the caller makes.
	Bare bool

	// Stacks asks for the stacks of tasks. To get them stops the world for as long as a dump of all
	// goroutines takes. Loops have none.
	Stacks bool
}

const (
	defaultLimit = 1000
	maxLimit     = 1 << 20
	defaultWait  = 100 * time.Millisecond
	maxWait      = 5 * time.Second
)

// Complete returns o with the defaults in place and the bounds applied.
func (o SnapshotOptions) Complete() SnapshotOptions {
	switch {
	case o.Limit == 0:
		o.Limit = defaultLimit
	case o.Limit < 0:
		o.Limit = 0
	}
	o.Limit = min(o.Limit, maxLimit)
	if o.Wait <= 0 {
		o.Wait = defaultWait
	}
	o.Wait = min(o.Wait, maxWait)
	return o
}

// Snapshot is what a Runtime is doing. Each loop is consistent in itself; different loops are
// looked at one after the other.
type Snapshot struct {
	Time  time.Time      `json:"time"`
	Info  Info           `json:"info"`
	Loops []LoopSnapshot `json:"loops"`
}

// The states of a loop in a snapshot.
const (
	LoopRunning = "running" // it has answered
	LoopClosing = "closing" // it has answered, takes no operations any more and waits for those in flight
	LoopLost    = "lost"    // it has answered; its backend has failed, see LoopSnapshot.Error
	LoopStuck   = "stuck"   // it has not answered: a callback or a system call keeps it
	LoopEnded   = "ended"   // it has been closed, and nothing is in flight
)

// LoopSnapshot is what one loop is doing. If State is LoopStuck it has only what can be read from
// outside: the names, the counters and InFlight.
type LoopSnapshot struct {
	Backend string `json:"backend"`
	Drive   string `json:"drive"` // DriveThread or DriveScheduler
	State   string `json:"state"`
	Error   string `json:"error,omitempty"`

	// Thread is the loop's OS thread, 0 if it has none or is not known yet.
	Thread int `json:"thread,omitempty"`

	// Stuck is for how long at least the loop has not answered, in nanoseconds. It is counted from
	// the first snapshot that got no answer.
	Stuck time.Duration `json:"stuck_ns,omitempty"`

	// SinceTick is how long ago the loop last ran a tick, in nanoseconds, as far as that is known
	// without Options.Sight: on a thread the last tick that answered a snapshot. -1: unknown.
	SinceTick time.Duration `json:"since_tick_ns"`

	InFlight int64  `json:"in_flight"` // operations submitted and not resolved
	Started  int    `json:"started"`   // of these: operations that a tick has started
	Queued   int    `json:"queued"`    // of these: not taken by the backend yet
	Cancels  int    `json:"cancels"`   // cancellations that the backend has not taken yet
	Outcomes int    `json:"outcomes"`  // results whose callback or goroutine has not had its turn
	Timers   int    `json:"timers"`    // timers and deadlines that are set
	Room     int    `json:"room"`      // operations that wait for room: see Options.MaxInFlight
	Gate     int    `json:"gate"`      // opens that wait for their turn, because others may block for ever
	Pool     int    `json:"pool"`      // goroutines of the pool for blocking calls, which loops may share
	PoolWait int    `json:"pool_wait"` // what waits for one of them
	Enters   uint64 `json:"enters"`    // see Stats
	SQEs     uint64 `json:"sqes"`
	CQEs     uint64 `json:"cqes"`

	Operations []Operation `json:"operations"`
	Omitted    int         `json:"omitted,omitempty"` // started operations that are not listed
}

// The states of an operation in a snapshot.
const (
	OpQueued  = "queued"  // the backend has not taken it yet
	OpKernel  = "kernel"  // the kernel has it
	OpPolled  = "polled"  // its descriptor is polled; the system call is made when it is ready
	OpBackend = "backend" // the backend has it, which makes the system call on a goroutine of its own
	OpPooled  = "pool"    // the pool for blocking calls has it
	OpPause   = "pause"   // it was tried in vain several times and is tried again after 1 to 16 ms
	OpRoom    = "room"    // it waits for room: see Options.MaxInFlight
	OpGate    = "gate"    // it waits for its turn, because others like it may block for ever
	OpInLoop  = "loop"    // the loop does it by itself: a timer, a notification, an event
)

// Operation is one operation in flight. There is nothing in it of the contents of buffers.
type Operation struct {
	ID    string `json:"id"`   // slot and generation; it changes when the operation is tried again
	Kind  string `json:"kind"` // "recv", ...
	State string `json:"state"`

	FD    int    `json:"fd"`              // -1: it has no descriptor
	File  string `json:"file,omitempty"`  // what the descriptor is, by /proc/self/fd
	Local string `json:"local,omitempty"` // address of a socket
	Peer  string `json:"peer,omitempty"`  // and of its other end
	FD2   int    `json:"fd2,omitempty"`   // the source of a splice or tee
	Path  string `json:"path,omitempty"`  // the name that an operation on names is about

	Size   int   `json:"size"`             // bytes that it may move at most
	Offset int64 `json:"offset,omitempty"` // of a file, in bytes; -1: none

	// Age is how long the operation has been in flight, in nanoseconds. If AtLeast is set it is
	// counted from the first snapshot that saw the operation: see Options.Sight.
	Age     time.Duration `json:"age_ns"`
	AtLeast bool          `json:"age_at_least,omitempty"`

	// Deadline is the time that is left to it, in nanoseconds; nil: it has no deadline.
	Deadline *time.Duration `json:"deadline_ns,omitempty"`

	Chain    *Chain `json:"chain,omitempty"`    // nil: it is not part of a list of operations
	Tries    int    `json:"tries,omitempty"`    // how often it has been submitted again
	Multi    bool   `json:"multi,omitempty"`    // it reports more than once
	Waiter   string `json:"waiter"`             // "goroutine", "callback" or "batch"
	Stopping string `json:"stopping,omitempty"` // why it has been asked to end: "cancel", "deadline", "close", ...
}

// Chain is the place of an operation in a Batch.
type Chain struct {
	Batch uint64 `json:"batch"` // number of the batch's round
	Place int    `json:"place"` // index in it
	Of    int    `json:"of"`    // number of operations in it
	Link  string `json:"link"`  // how the next one depends on it: "none", "soft", "hard"
}

// opCopy is an operation as the loop copies it. What is made of it outside the loop is an
// Operation.
type opCopy struct {
	id                   backends.ID
	kind                 backends.Code
	state, waiter        string
	path                 string
	fd, fd2, size        int
	off, deadline, first int64
	atLeast, multi       bool
	batch                uint64
	place, of            int
	link                 Link
	cause                cause
	tries                uint8
}

// loopCopy is a loop as it copies itself, between ticks or under its lock.
type loopCopy struct {
	taken bool
	l     LoopSnapshot
	now   int64
	ops   []opCopy
}

// viewer is what a loop remembers of snapshots.
type viewer struct {
	mu      sync.Mutex
	pending *viewing // asked of the loop's thread, which has not begun yet
	unknown int64    // when the oldest question was asked that has no answer; 0: there is none
	thread  int      // the loop's thread, as of the last answer
	last    int64    // when it was given; 0: never

	// What follows is the loop's. marks has the operations that snapshots have seen, by
	// Completion.mark, and newest is the last mark given.
	marks  map[uint16]sighting
	newest uint16
}

// sighting is when a snapshot first saw an activation of a Completion.
type sighting struct {
	activation uint64
	slot       uint32
	first      int64
}

// maxMarks is how many sightings a loop keeps before it forgets those that the newest snapshot has
// not seen.
const maxMarks = 1 << 14

// viewing is a question to a loop: several snapshots may share the answer.
type viewing struct {
	limit int
	done  chan struct{}
	copy  loopCopy
}

// Snapshot lists what the loops are doing. Any goroutine may call it, at any time, also during
// Close and after it. It waits for the loops for at most [SnapshotOptions].Wait, and for nothing
// else. A callback may call it; the loop that runs the callback is then stuck, by the snapshot.
// What it costs the loop is bounded by Limit: about 100 ns for each operation listed.
//
// A descriptor is described after the loop has been looked at. If it has been closed meanwhile, the
// description may be that of another file with the same number.
func (r *Runtime) Snapshot(o SnapshotOptions) Snapshot {
	r.mustBeMade()
	return Snapshot{Time: time.Now(), Info: r.Info(), Loops: lookAt(r.loops(), o)}
}

// Snapshot is [Runtime.Snapshot] of one loop. Of a loop made by [NewLoop] it is stuck while no
// goroutine runs it.
func (l *Loop) Snapshot(o SnapshotOptions) LoopSnapshot {
	l.mustBeMade()
	return lookAt([]*Loop{l}, o)[0]
}

// SnapshotHere is [Loop.Snapshot] for the goroutine that runs the loop, between ticks or in a
// callback. It does not wait.
func (l *Loop) SnapshotHere(o SnapshotOptions) LoopSnapshot {
	l.mustBeMade()
	o = o.Complete()
	var c loopCopy
	if !l.isOver() {
		l.copyTo(&c, o.Limit)
	}
	return l.present(&c, &o, newDescriptions(&o))
}

func lookAt(loops []*Loop, o SnapshotOptions) (all []LoopSnapshot) {
	o = o.Complete()
	bubble.Do(func() { // the wait is in real time
		copies := make([]loopCopy, len(loops))
		asked := make([]*viewing, len(loops))
		limit := time.NewTimer(o.Wait)
		defer limit.Stop()
		end := time.Now().Add(o.Wait)
		for i, l := range loops {
			if l.drive == driveThread {
				asked[i] = l.view(o.Limit)
			}
		}
		for i, l := range loops {
			if l.drive == driveScheduler {
				l.lockAndCopy(&copies[i], o.Limit, end)
			}
		}
		late := false
		for i, v := range asked {
			if v == nil {
				continue
			}
			if !late {
				select {
				case <-v.done:
				case <-loops[i].ended:
				case <-limit.C:
					late = true
				}
			}
			select {
			case <-v.done:
				copies[i] = v.copy
			default:
			}
		}
		known := newDescriptions(&o)
		for i, l := range loops {
			all = append(all, l.present(&copies[i], &o, known))
		}
	})
	return all
}

// view asks a loop on a thread for a copy. It returns the question, which others may have asked
// already.
func (l *Loop) view(limit int) *viewing {
	s := &l.viewer
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.pending; v != nil {
		v.limit = max(v.limit, limit)
		return v
	}
	v := &viewing{limit: limit, done: make(chan struct{})}
	s.pending = v
	if s.unknown == 0 {
		s.unknown = l.be.Now()
	}
	l.asks.Lock()
	l.asks.list = append(l.asks.list, func() { l.answerView(v) })
	l.asked.Store(true)
	l.asks.Unlock()
	l.be.Wake()
	return v
}

// answerView makes the copy. It runs on the loop's thread.
func (l *Loop) answerView(v *viewing) {
	s := &l.viewer
	s.mu.Lock()
	s.pending, s.unknown = nil, 0 // later callers get a newer one
	s.thread, s.last = l.thread.id, l.be.Now()
	limit := v.limit
	s.mu.Unlock()
	l.copyTo(&v.copy, limit)
	close(v.done)
}

// lockAndCopy copies a loop on the scheduler drive, if its lock can be had before end.
func (l *Loop) lockAndCopy(to *loopCopy, limit int, end time.Time) {
	s := &l.viewer
	to.ops = make([]opCopy, 0, min(limit, int(max(l.inFlightCount(), 0))))
	for pause := 10 * time.Microsecond; !l.mu.TryLock(); pause = min(2*pause, time.Millisecond) {
		s.mu.Lock()
		if s.unknown == 0 {
			s.unknown = l.be.Now()
		}
		s.mu.Unlock()
		if time.Now().After(end) {
			return
		}
		time.Sleep(pause)
	}
	l.copyAndUnlock(to, limit)
	s.mu.Lock()
	s.unknown = 0
	s.mu.Unlock()
	if l.sched.more.Load() { // a goroutine that came for a turn has found the lock taken
		bubble.Go(func() { l.turn() })
	}
}

func (l *Loop) copyAndUnlock(to *loopCopy, limit int) {
	defer l.mu.Unlock()
	l.copyTo(to, limit)
}

// isOver reports whether the loop has ended.
func (l *Loop) isOver() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// maxVisits is how many slots a copy looks at for each operation that it may list.
const maxVisits = 16

// copyTo copies the loop's state. The caller holds the lock or is the loop's thread, between ticks
// or in one.
func (l *Loop) copyTo(to *loopCopy, limit int) {
	now := l.be.Now()
	to.taken, to.now = true, now
	to.l = LoopSnapshot{
		State: LoopRunning, Thread: l.thread.id, InFlight: l.inFlightCount(), Started: l.slots.live,
		Queued: len(l.batch), Cancels: len(l.cancels),
		Outcomes: len(l.done) - l.donePos, Timers: l.wheel.Len(), Room: l.line.list.Len(), Gate: l.gate.queue.n,
	}
	if l.drive == driveScheduler {
		to.l.SinceTick = time.Duration(max(now-l.sched.turned.Load(), 0))
	}
	switch {
	case l.lost != nil:
		to.l.State, to.l.Error = LoopLost, l.lost.Error()
	case l.closing || l.refuse.Load():
		to.l.State = LoopClosing
	}
	queued := make(map[*backends.Completion]struct{}, min(len(l.batch), limit))
	for _, rec := range l.batch[:min(len(l.batch), limit)] {
		queued[rec] = struct{}{}
	}
	visits := maxVisits*limit + chunkLen
	for _, k := range l.slots.chunks {
		if k == nil || k.live == 0 {
			continue
		}
		for i := range k.slots {
			if visits--; visits < 0 || len(to.ops) == limit {
				break
			}
			s := &k.slots[i]
			if c := s.c; c != nil && c != &gone && c.id == s.rec.ID {
				_, waits := queued[&s.rec]
				to.ops = append(to.ops, l.copyOp(s, waits, now))
			}
		}
	}
	if len(l.viewer.marks) > maxMarks {
		l.forgetMarks(to.ops)
	}
}

// forgetMarks drops the sightings of operations that are over. It keeps those of the newest
// snapshot, which list has.
func (l *Loop) forgetMarks(list []opCopy) {
	kept := make(map[uint16]sighting, len(list))
	for _, o := range list {
		if s := l.slots.lookup(o.id); s != nil && s.c.mark != 0 {
			kept[s.c.mark] = l.viewer.marks[s.c.mark]
		}
	}
	l.viewer.marks = kept
}

// copyOp copies the operation of a slot.
func (l *Loop) copyOp(s *slot, queued bool, now int64) opCopy {
	c := s.c
	op := &c.Op
	o := opCopy{
		id: s.rec.ID, kind: op.Code, fd: c.fd(), fd2: -1, size: op.Size(), off: op.Off, deadline: c.deadline.Load(),
		multi: op.Multi, link: c.Link, cause: c.cause, tries: c.tries, waiter: "callback", atLeast: true,
		state: l.stateOf(s, queued),
	}
	o.first = l.sighted(c, now)
	if !hasFD(op) {
		o.fd = -1
	}
	if a := op.Args; a != nil {
		if twoEnds(op.Code) {
			o.fd2, o.size = a.FD, int(min(a.Len, backends.MaxTransfer))
		}
		o.path = a.Path.String()
	}
	switch b := c.batch.Load(); {
	case b != nil && c.life.Load()&stateMask == stateMember:
		o.waiter, o.batch, o.place, o.of = "batch", c.life.Load()>>stateBits, int(c.place), len(b.ops)
	case c.park:
		o.waiter = "goroutine"
	}
	return o
}

// sighted returns when a snapshot first saw the activation of c.
func (l *Loop) sighted(c *Completion, now int64) int64 {
	v, activation := &l.viewer, c.life.Load()>>stateBits
	if at, ok := v.marks[c.mark]; ok && c.mark != 0 && at.activation == activation &&
		at.slot == c.id.Slot() {
		return at.first
	}
	if v.marks == nil {
		v.marks = map[uint16]sighting{}
	}
	if v.newest++; v.newest == 0 {
		v.newest = 1
	}
	c.mark = v.newest
	v.marks[c.mark] = sighting{activation, c.id.Slot(), now}
	return now
}

// stateOf says where the operation of a slot stands.
func (l *Loop) stateOf(s *slot, queued bool) string {
	c := s.c
	switch code := c.Op.Code; {
	case c.room&roomOwed != 0:
		return OpRoom
	case s.sub.pausing:
		return OpPause
	case s.sub.pooled, code == backends.OpBlocking:
		return OpPooled
	case code.OfLoop():
		return OpInLoop
	case code == backends.OpOpen && c.rare != nil && c.rare.at.in == &l.gate.queue:
		return OpGate
	case queued:
		return OpQueued
	case s.sub.polls > 0, c.Op.Waits() && l.be.Name() != "io_uring", l.isWatched(s):
		return OpPolled
	case l.be.Name() == "io_uring":
		return OpKernel
	}
	return OpBackend
}

func (l *Loop) isWatched(s *slot) bool {
	_, ok := l.edges[s]
	return ok
}

// hasFD reports whether op works on an open descriptor.
func hasFD(op *backends.Op) bool {
	switch op.Code {
	case backends.OpNop, backends.OpSocket, backends.OpPipe, backends.OpWaitid, backends.OpFutexWait,
		backends.OpFutexWake:
		return false
	}
	return !op.Code.OfLoop()
}

// descriptions are what a snapshot has found out about descriptors. Each is asked for once.
type descriptions struct{ known map[int][3]string }

func newDescriptions(o *SnapshotOptions) *descriptions {
	if o.Bare {
		return nil
	}
	return &descriptions{map[int][3]string{}}
}

func (d *descriptions) of(fd int) (name, local, peer string) {
	if d == nil || fd < 0 {
		return "", "", ""
	}
	t, ok := d.known[fd]
	if !ok {
		t[0], t[1], t[2] = sys.Describe(fd)
		d.known[fd] = t
	}
	return t[0], t[1], t[2]
}

var (
	causeNames = [...]string{causeNone: "", causeCancel: "cancel", causeDeadline: "deadline", causeClose: "close",
		causeLost: "lost", causeFileClosed: "file closed", causeSkipped: "skipped", causeShort: "short"}
	linkNames = [...]string{LinkNone: "none", LinkSoft: "soft", LinkHard: "hard"}
)

// present makes a copy what callers see. It adds what can be read at any time.
func (l *Loop) present(c *loopCopy, o *SnapshotOptions, known *descriptions) LoopSnapshot {
	s := c.l
	ops := c.ops[:min(len(c.ops), o.Limit)] // another snapshot that shares the answer may have asked for more
	s.Backend, s.Drive = l.be.Name(), DriveThread
	if l.drive == driveScheduler {
		s.Drive = DriveScheduler
	}
	n := l.be.Counters()
	if !c.taken {
		s.InFlight = l.inFlightCount()
	}
	s.Enters, s.SQEs, s.CQEs = n.Enters, n.SQEs, n.CQEs
	l.pool.mu.Lock()
	s.Pool, s.PoolWait = l.pool.running, l.pool.queue.n
	l.pool.mu.Unlock()
	v := &l.viewer
	v.mu.Lock()
	unknown, thread, last := v.unknown, v.thread, v.last
	v.mu.Unlock()
	switch {
	case c.taken && !l.isOver():
	case l.isOver():
		s = LoopSnapshot{Backend: s.Backend, Drive: s.Drive, State: LoopEnded, SinceTick: -1}
	default:
		s.State, s.Thread, s.SinceTick = LoopStuck, thread, -1
		now := l.be.Now()
		if unknown != 0 {
			s.Stuck = time.Duration(max(now-unknown, 0))
		}
		if l.drive == driveScheduler {
			last = l.sched.turned.Load()
		}
		if last != 0 {
			s.SinceTick = time.Duration(max(now-last, 0))
		}
	}
	s.Operations = make([]Operation, 0, len(ops))
	if s.State == LoopEnded {
		return s
	}
	if l.be.Name() == "sim" {
		known = nil // its descriptors are not the process's
	}
	for i := range ops {
		s.Operations = append(s.Operations, ops[i].present(c.now, known))
	}
	if s.State != LoopStuck {
		s.Omitted = max(s.Started-len(ops), 0)
	}
	return s
}

func (o *opCopy) present(now int64, known *descriptions) Operation {
	p := Operation{
		ID: o.id.String(), Kind: o.kind.String(), State: o.state, FD: o.fd, Path: o.path, Size: o.size, Offset: o.off,
		Age: time.Duration(max(now-o.first, 0)), AtLeast: o.atLeast, Tries: int(o.tries), Multi: o.multi,
		Waiter: o.waiter, Stopping: causeNames[o.cause],
	}
	if o.fd2 >= 0 {
		p.FD2 = o.fd2
	}
	if o.deadline != 0 && o.deadline != retired {
		left := time.Duration(o.deadline - now)
		p.Deadline = &left
	}
	if o.of > 0 {
		p.Chain = &Chain{Batch: o.batch, Place: o.place, Of: o.of, Link: linkNames[o.link]}
	}
	p.File, p.Local, p.Peer = known.of(o.fd)
	return p
}
