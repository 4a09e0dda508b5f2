package runtime

import (
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
)

// tick is one pass of the loop: it takes the intake, submits operations, enters the kernel once and
// copies out the events. When the tick is done the drive resolves their outcomes, with dispatch or
// resolveAll. No callback runs inside a tick, except those of timers at its end. deadline bounds
// how long the tick may block if there is nothing to do.
func (l *Loop) tick(deadline int64) {
	l.firing = false
	defer l.catch()
	l.takeIntake()
	l.advance()
	l.feed()
	l.handOver()
	if deadline != backends.NoWait {
		if len(l.done) > 0 || len(l.linked) > 0 || l.finished() {
			deadline = backends.NoWait
		} else if next, ok := l.wheel.Next(); ok {
			deadline = min(deadline, max(next, backends.NoWait+1))
		}
		if len(l.batch) > 0 || len(l.cancels) > 0 {
			deadline = min(deadline, later(l.clock(), breath))
		}
	}
	l.poll(deadline)
	l.expire()
	l.advance()
	if len(l.insist.asked) > 0 {
		l.unneeded()
	}
}

// takeIntake starts the operations that were submitted and applies what was asked of operations in
// flight.
func (l *Loop) takeIntake() {
	l.now = 0
	if l.closeIt.Load() && !l.closing {
		l.beginClose()
	}
	if l.taken == nil { // else a tick that panicked has left some
		l.taken = l.intake.Take()
	}
	for n := l.taken; n != nil; n = l.taken {
		l.taken = n.Next()
		n.Release()
		l.at = n.Value
		l.attend(n.Value)
	}
	l.at = nil
	if l.asked.Load() { // last, because a request is also about what was submitted before it
		l.answer()
	}
}

// attend looks at a Completion that was pushed: to start it, to stop it, or because its deadline
// moved. It may also be a late push for an operation that is over.
func (l *Loop) attend(c *Completion) {
	switch c.state() {
	case stateQueued:
		c.become(stateStarted)
		if c.head {
			l.startBatch(c.batch.Load())
			return
		}
		l.start(c)
	case stateStarted:
		switch {
		case c.head:
			l.attendBatch(c.batch.Load())
		case c.id != 0: // else it is over, and not resolved yet
			l.attendStarted(c)
		}
	}
}

// attendStarted applies what was asked of an operation in flight.
func (l *Loop) attendStarted(c *Completion) {
	if c.aborted() {
		l.stop(c, causeCancel)
	}
	if c.signal.Load() && c.signal.Swap(false) {
		if s := l.slots.lookup(c.id); s != nil {
			l.signalled(s)
		}
	}
	l.retime(c) // the same push may be about the deadline of an operation that goes on
}

// signalled ends an operation that another goroutine has completed: by a Notify, or on the pool.
func (l *Loop) signalled(s *slot) {
	switch code := s.c.Op.Code; {
	case s.sub.pooled:
		l.called(s)
	case code == backends.OpAsync, code == backends.OpBlocking:
		l.finish(s, 0)
	case code == backends.OpEventWait:
		l.endWait(s)
	}
}

// submit gives the operation of a slot to the backend, or performs it in another way if the backend
// cannot.
func (l *Loop) submit(s *slot) {
	if l.lacks[s.rec.Code] || s.sub.doubt != 0 {
		l.substitute(s)
		return
	}
	l.batch = append(l.batch, &s.rec)
}

// start gives a queued Completion a slot and puts its operation into the batch, or settles it at
// once.
func (l *Loop) start(c *Completion) {
	if l.isOdd(c) {
		l.startOdd(c)
	} else {
		l.launch(c)
	}
}

// isOdd reports whether starting an operation takes more than giving it to the backend.
func (l *Loop) isOdd(c *Completion) bool {
	return c.room&roomOwed != 0 || l.odd[c.Op.Code] || c.Op.Args != nil || c.deadline.Load() != 0 || c.aborted() ||
		l.ending
}

// launch starts an operation that is not odd. Without Args it does not matter whether it is plain.
func (l *Loop) launch(c *Completion) {
	s := l.enter(c)
	s.rec.Op = c.Op
	l.batch = append(l.batch, &s.rec)
}

// enter gives an operation a slot.
func (l *Loop) enter(c *Completion) *slot {
	c.more, c.cause, c.tries = false, causeNone, 0
	if c.signal.Load() && c.Op.Code != backends.OpAsync { // the signal of an Async may come before its start
		c.signal.Store(false)
	}
	l.started.add(c.Op.Code)
	return l.slots.take(c)
}

// hasOwnStart reports whether startOdd does more than give an operation of this kind to the
// backend.
func hasOwnStart(code backends.Code) bool {
	switch code {
	case backends.OpClose, backends.OpOpen, backends.OpSplice, backends.OpTee:
		return true
	}
	return code.OfLoop()
}

// startOdd starts an operation that has a deadline, is not for the backend, is over at once, or the
// like.
func (l *Loop) startOdd(c *Completion) {
	s := l.enter(c)
	deadline := c.deadline.Load()
	switch {
	case l.closing || deadline == retired:
		c.cause = causeClose
	case c.aborted():
		c.cause = causeCancel
	case c.Op.Args != nil && c.Op.Args.File != nil && c.Op.Args.File.Closed.Load():
		c.cause = causeFileClosed
	case deadline != 0 && deadline <= l.clock() && c.Op.Code != backends.OpTimeout:
		c.cause = causeDeadline
	}
	if l.lost != nil {
		c.cause = causeLost
	}
	if c.cause != causeNone {
		l.finish(s, -int32(sys.ECANCELED))
		return
	}
	l.fill(s)
	if deadline != 0 {
		l.remind(c, deadline)
	}
	if c.room&roomOwed != 0 {
		l.owes(s)
	} else {
		l.begin(s)
	}
}

// begin begins the operation of a slot, for which there is room.
func (l *Loop) begin(s *slot) {
	c := s.c
	switch c.Op.Code {
	case backends.OpTimeout:
		if c.deadline.Load() == 0 {
			l.finish(s, 0)
		}
	case backends.OpAsync:
		if c.signal.Swap(false) {
			l.finish(s, 0)
		}
	case backends.OpBlocking:
		l.pool.run(c, nil)
	case backends.OpEventWait:
		if c.rare.event.enter(c) {
			l.endWait(s)
		}
	case backends.OpClose:
		if c.Op.Flags&backends.CloseAll != 0 {
			l.closeAll(s)
		} else {
			l.submit(s)
		}
	case backends.OpOpen:
		l.enterGate(s)
	case backends.OpSplice, backends.OpTee:
		if pollFirst(&c.Op) != 0 {
			l.wait(s)
		} else {
			l.submit(s)
		}
	default:
		l.submit(s)
	}
}

// stop asks for the end of an operation in flight. What it did by then counts.
func (l *Loop) stop(c *Completion, why cause) {
	if c.cause != causeNone {
		return
	}
	c.cause = why
	if c.room&roomOwed != 0 { // it has not begun
		if s := l.slots.lookup(c.id); s != nil {
			l.finish(s, -int32(sys.ECANCELED))
		}
		return
	}
	switch c.Op.Code {
	case backends.OpTimeout, backends.OpAsync:
		if s := l.slots.lookup(c.id); s != nil {
			l.finish(s, -int32(sys.ECANCELED))
		}
	case backends.OpBlocking:
		if s := l.slots.lookup(c.id); s != nil && l.pool.withdraw(c) {
			l.finish(s, -int32(sys.ECANCELED))
		}
	case backends.OpEventWait:
		if s := l.slots.lookup(c.id); s != nil {
			if c.rare.event.withdraw(c) {
				l.finish(s, -int32(sys.ECANCELED))
			} else { // it has been let pass: that is not taken back
				c.cause = causeNone
				l.endWait(s)
			}
		}
	default:
		if s := l.slots.lookup(c.id); s != nil && s.sub.pooled {
			if l.pool.withdraw(c) {
				l.finish(s, -int32(sys.ECANCELED))
			}
			return
		}
		if c.Op.Code == backends.OpOpen && l.leaveQueue(c) {
			return
		}
		l.cancel(c.id)
	}
}

// retime applies the deadline of an operation in flight.
func (l *Loop) retime(c *Completion) {
	if c.id == 0 || c.cause != causeNone {
		return
	}
	switch d := c.deadline.Load(); {
	case d == retired:
		l.stop(c, causeClose)
	case d == 0:
		l.forget(c)
		if c.Op.Code == backends.OpTimeout {
			l.expired(c)
		}
	default:
		l.remind(c, d)
	}
}

// handOver gives the backend all operations that wait for it, and enters the kernel as often as the
// queue is full. Operations come before cancellations, so that a cancellation finds its operation
// in the kernel. Nothing is dropped: what does not fit waits for the next tick.
//
// A kernel that has no memory for requests takes nothing for a while. In that case too the rest
// waits for the next tick.
func (l *Loop) handOver() {
	told := 0 // cancellations handed over; the list moves up once, not with each system call
	defer func() {
		told = min(told, len(l.cancels)) // a backend that is lost has none
		l.cancels = l.cancels[:copy(l.cancels, l.cancels[told:])]
	}()
	for before := ^uint64(0); l.lost == nil; {
		if n := l.be.Submit(l.batch); n > 0 {
			rest := copy(l.batch, l.batch[n:])
			clear(l.batch[rest:])
			l.batch = l.batch[:rest]
		}
		if len(l.batch) == 0 {
			for told < len(l.cancels) && l.be.Cancel(l.cancels[told]) {
				told++
			}
			if told == len(l.cancels) && l.setAlarm() {
				return
			}
		}
		l.poll(backends.NoWait) // the queue is full
		for range drains {
			if told == 0 || !l.be.Pending() {
				break
			}
			l.poll(backends.NoWait)
		}
		now := l.progress()
		if now == before {
			return
		}
		before = now
	}
}

// drains is how many times a loop with many cancellations polls again after it has handed over a
// queue of them. A ring frees at most 20 finished operations at a time, and until then searches
// them for each further cancellation.
const drains = 64

// progress changes whenever the backend takes an operation or reports an event.
func (l *Loop) progress() uint64 {
	c := l.be.Counters()
	return c.SQEs + c.CQEs
}

// breath is how long, in nanoseconds, a loop waits before it tries again to hand over what the
// kernel had no memory for.
const breath = 1e6

// poll enters the backend once and settles the events it returns.
func (l *Loop) poll(deadline int64) {
	l.started.flush(&l.stats)
	if l.lost != nil {
		if deadline != backends.NoWait {
			bubble.Sleep(time.Millisecond) // nothing is left that could wake the loop
		}
		return
	}
	n, err := l.sleep(deadline)
	if err != nil {
		l.lose(err)
		return
	}
	l.now = 0
	for i := range l.events[:n] {
		l.absorb(&l.events[i])
	}
}

// absorb decides what one event means. It runs no callback.
func (l *Loop) absorb(ev *backends.Event) {
	s := l.slots.lookup(ev.ID)
	if s == nil {
		l.stats.stale.Add(1)
		return
	}
	c := s.c
	if c.id != ev.ID {
		panic(overwritten(s))
	}
	if ev.More {
		l.done = append(l.done, outcome{c, ev.Res, true})
		return
	}
	if s.sub.polls > 0 { // the result of the poll is not the operation's result
		switch s.sub.polls--; {
		case s.rec.Code == backends.OpStatx && c.cause == causeNone:
			l.looked(s, ev.Res)
		case c.cause != causeNone:
			l.finish(s, s.partial(-int32(sys.ECANCELED)))
		case s.sub.polls > 0: // of a splice: now the other end
			l.pollEnd(s, c.fd(), pollOut)
		default:
			s.sub.noRoom = ev.Res&pollOut == 0
			l.noteEdges(s)
			l.again(s)
		}
		return
	}
	if ev.Res <= 0 && s.rec.Code == backends.OpSplice && l.atMark(s, ev.Res) {
		l.call(s, false)
		return
	}
	l.settle(s, ev.Res)
}

// atMark reports whether a splice moved nothing because its source is at the urgent mark. The
// system call, as backends.Perform makes it, steps over the mark.
func (l *Loop) atMark(s *slot, res int32) bool {
	return (res == 0 || res == -int32(sys.EAGAIN)) && l.partial && s.c.cause == causeNone &&
		s.rec.Args.Len > 0 && sys.AtMark(s.rec.Args.FD)
}

// settle finishes an operation with a result, unless the result means that it is to be tried again.
func (l *Loop) settle(s *slot, res int32) {
	if res < 0 || s.rec.Multi || s.sub.doubt != 0 || s.sub.plain {
		l.settleOdd(s, res)
		return
	}
	l.finish(s, res)
}

// settleOdd settles an operation that may be worth another try, or had one.
func (l *Loop) settleOdd(s *slot, res int32) {
	c := s.c
	if (res < 0 || s.rec.Multi) && c.cause == causeNone && c.tries < maxTries && l.lost == nil {
		switch errno := errnoOf(res); {
		case errno == sys.EINTR && s.rec.Code == backends.OpClose:
			res = 0 // it is closed, and its number may already belong to another file
		case errno == sys.EINTR, errno == sys.ECANCELED:
			// The loop did not ask for this cancellation. The kernel cancels the operations of a
			// thread that ends, and operations for which it finds no worker thread.
			c.tries++
			l.stats.resubmitted.Add(1)
			if c.tries > 3 && l.canSubstitute(&s.rec.Op) {
				l.substitute(s)
			} else {
				l.again(s)
			}
			return
		case errno == sys.EACCES && l.partial && ofRegistered(&s.rec.Op):
			s.sub.plain = true
			l.again(s)
			return
		case s.sub.doubt == 0 && l.doubtful(&s.rec.Op, errno):
			s.sub.doubt = int8(res)
			l.substitute(s)
			return
		case errno == sys.EOPNOTSUPP && withCopy(s.rec.Code) != s.rec.Code:
			code := withCopy(s.rec.Code) // this socket supports only the plain send
			l.slots.renew(s, s.rec.ID.Slot())
			l.fill(s)
			s.rec.Code = code
			l.submit(s)
			return
		case errno == sys.EAGAIN && pollFirst(&c.Op) != 0:
			l.stats.resubmitted.Add(1)
			if s.sub.disappoint(); s.sub.vain > maxVain && l.pauses(s) {
				l.call(s, true)
			} else {
				l.wait(s)
			}
			return
		case errno == 0 && s.rec.Multi:
			// A multishot ends when the completion queue overflows. Its operation has not failed:
			// it goes on.
			l.stats.rearmed.Add(1)
			l.done = append(l.done, outcome{c, res, true})
			l.again(s)
			return
		}
	}
	if s.sub.doubt != 0 && res != int32(s.sub.doubt) && !polled(&s.c.Op) {
		l.fallBack(s.rec.Code)
	} else if s.sub.plain && s.sub.doubt == 0 {
		l.keepPlain(s.rec.Code)
	}
	l.finish(s, res)
}

// fill copies the operation of a Completion to its slot, for the backend.
func (l *Loop) fill(s *slot) {
	s.rec.Op = s.c.Op
	s.rec.FD = s.c.fd()
	s.rec.Plain = s.sub.plain || l.plain[s.rec.Code]
}

// again submits the operation of a slot once more, under a new generation.
func (l *Loop) again(s *slot) {
	l.slots.renew(s, s.rec.ID.Slot())
	l.fill(s)
	if twoEnds(s.rec.Op.Code) {
		s.rec.Op.Flags |= spliceNonblock
	}
	l.submit(s)
}

// wait polls in place of an operation for which the kernel did not wait, or would hold a kernel
// thread while it waits, as for a splice. A splice needs two polls, one for each end.
func (l *Loop) wait(s *slot) {
	op := &s.c.Op
	s.c.tries++
	switch {
	case l.partial && s.c.tries > 2 && !l.pauses(s): // the last poll was in vain
		s.c.tries--
		l.waitForEdge(s)
	case twoEnds(op.Code):
		s.sub.polls = 2
		l.pollEnd(s, op.Args.FD, pollIn)
	default:
		s.sub.polls = 1
		l.pollEnd(s, s.c.fd(), pollFirst(op))
	}
}

func (l *Loop) pollEnd(s *slot, fd int, mask uint32) {
	l.slots.renew(s, s.rec.ID.Slot())
	s.rec.Op = backends.Op{Code: backends.OpPoll, FD: fd, Flags: mask}
	l.batch = append(l.batch, &s.rec)
}

// withCopy returns the plain send for a zero-copy send that the socket does not support.
func withCopy(code backends.Code) backends.Code {
	switch code {
	case backends.OpSendZC:
		return backends.OpSend
	case backends.OpSendMsgZC:
		return backends.OpSendMsg
	}
	return code
}

// twoEnds reports whether an operation waits for two descriptors.
func twoEnds(code backends.Code) bool { return code == backends.OpSplice || code == backends.OpTee }

const (
	pollIn      = 1
	pollPri     = 2
	pollOut     = 4
	pollErr     = 8
	msgOOB      = 1
	msgErrQueue = 0x2000
	msgDontWait = sys.MsgDontWait
	msgWaitAll  = 0x100
	rwfHiPri    = 1
	rwfNoWait   = 8

	spliceNonblock = 2
)

// pollFirst returns the events to poll for before an operation that answered EAGAIN is tried again,
// 0 if EAGAIN is its answer.
func pollFirst(op *backends.Op) uint32 {
	switch op.Code {
	case backends.OpRecv, backends.OpRecvMsg:
		switch {
		case op.Flags&msgDontWait != 0:
		case op.Flags&msgErrQueue != 0:
			return pollErr
		case op.Flags&msgOOB != 0:
			return pollPri
		default:
			return pollIn
		}
	case backends.OpSplice, backends.OpTee:
		if op.Flags&spliceNonblock == 0 {
			return pollIn
		}
	case backends.OpSend, backends.OpSendMsg, backends.OpSendZC, backends.OpSendMsgZC:
		if op.Flags&msgDontWait == 0 {
			return pollOut
		}
	case backends.OpRead, backends.OpReadv:
		if op.Flags&rwfNoWait == 0 {
			return pollIn
		}
	case backends.OpWrite, backends.OpWritev:
		if op.Flags&rwfNoWait == 0 {
			return pollOut
		}
	case backends.OpAccept:
		return pollIn
	}
	return 0
}

// finish frees the slot of an operation that is over and puts its outcome among those to be
// resolved.
func (l *Loop) finish(s *slot, res int32) {
	c := s.c
	if c.alarm != nil {
		l.forget(c)
	}
	if s.sub.gated {
		l.leaveGate()
	}
	if c.room&roomOwed != 0 {
		l.leaveLine(s)
	}
	if len(l.edges) > 0 {
		l.unwatch(s)
	}
	l.slots.put(s)
	c.id = 0
	l.conclude(c, res)
}

// lose settles everything when the backend has failed and will report no more events. The slots
// stay taken, because the kernel may still hold their memory: leaking it is the lesser evil.
func (l *Loop) lose(err error) {
	l.lost, l.ending = err, true
	l.batch, l.cancels = nil, nil
	for l.gate.queue.pop() != nil { // they have slots
	}
	l.line = line{}
	l.limit.Line(false)
	for s := range l.edges {
		l.unwatch(s)
	}
	l.slots.all(func(s *slot) {
		c := s.c
		if c.id != s.rec.ID { // overwritten: its waiter cannot be told, but the room that it took is free
			s.c = &gone
			if l.limit.InUse() > 0 { // which of the two it had is unknown
				l.limit.Release(1)
			} else {
				l.apart.Release(1)
			}
			return
		}
		if c.state() >= stateStarted && c.id == s.rec.ID && c.cause != causeLost {
			if (c.Op.Code == backends.OpBlocking || s.sub.pooled) && !l.pool.withdraw(c) {
				return // it runs, and ends without the backend
			}
			if c.Op.Code == backends.OpEventWait && !c.rare.event.withdraw(c) {
				return // an event that has been let pass does so too
			}
			c.cause, s.c = causeLost, &gone
			l.forget(c)
			c.id = 0
			l.conclude(c, -int32(sys.ECANCELED))
		}
	})
}
