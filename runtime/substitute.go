package runtime

import (
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// partialBackend is implemented by backends that may be unable to do some operations: the kernel is too old for them.
// Those, and operations that a filter denies, fall back alone: the loop does them as system calls. So a backend that has
// this method works on the system's own descriptors.
type partialBackend interface{ Supports(backends.Code) bool }

// stand is how an operation fares, above all one that is done as a system call in the backend's stead. The pool has it
// while pooled is set.
type stand struct {
	polls   uint8 // a poll stands in until the operation is worth trying again: how many are to come, with it
	gated   bool  // it has passed Loop.gate
	pooled  bool  // it is with the pool
	pausing bool  // which only waits a little
	noRoom  bool  // the last poll for room ended without POLLOUT
	vain    uint8 // polls in a row after which the system call found nothing
	plain   bool  // it was refused on registered memory or files: whether for that, the plain form is to show
	doubt   int8  // the result that was a refusal: whose, the backend's or the system's, the system call is to show
	part    int32 // what the system calls so far have done: see backends.Try
	res     int32 // the pool's result
}

// do is the pool's part.
func (st *stand) do(op *backends.Op) {
	if st.pausing {
		time.Sleep(time.Millisecond << min(st.vain-maxVain-1, 4))
		return
	}
	st.res = perform(op)
}

// fallBack notes that the backend cannot do operations of this kind here.
func (l *Loop) fallBack(code backends.Code) {
	l.lacks[code], l.odd[code] = true, true
	l.stats.fellBack[code].Store(true)
}

// keepPlain notes that the backend cannot do operations of this kind on registered memory and files here.
func (l *Loop) keepPlain(code backends.Code) {
	l.plain[code], l.odd[code] = true, true
	l.stats.keptPlain[code].Store(true)
}

// ofRegistered reports whether an operation may have been handed over in its form for registered memory or files, which a
// filter can deny without the plain one.
func ofRegistered(op *backends.Op) bool {
	return !op.Plain && op.Args != nil && (op.Args.Region != nil || op.Args.File != nil)
}

// canSubstitute reports whether there is another way to do op than the backend's.
func (l *Loop) canSubstitute(op *backends.Op) bool {
	return l.partial && op.Code != backends.OpPoll && op.Code != backends.OpNop
}

// doubtful reports whether an operation's failure may be the backend's and not the operation's own: a filter denied it, or
// the kernel is too old for a multishot accept (5.19).
func (l *Loop) doubtful(op *backends.Op, errno sys.Errno) bool {
	switch errno {
	case sys.EACCES:
		return l.canSubstitute(op)
	case sys.EINVAL:
		return l.partial && (op.Multi && op.Code == backends.OpAccept || polled(op))
	}
	return false
}

// polled reports whether the kernel is to poll the device for an operation (RWF_HIPRI). A ring
// refuses that, unless all that it does is polled for.
func polled(op *backends.Op) bool { return op.Code.TakesStorageFlags() && op.Flags&rwfHiPri != 0 }

// substitute does the operation of a slot as a system call. What waits for readiness is tried, and tried again after a
// poll, so that it can be cancelled as ever; the rest goes to the pool, unless it takes no time.
func (l *Loop) substitute(s *slot) {
	op := &s.rec.Op
	ready := readiness(op)
	if ready == 0 {
		if quick(op) {
			l.settle(s, perform(op))
		} else {
			l.call(s, false)
		}
		return
	}
	res, sure := try(op, int(s.sub.part))
	switch {
	case !sure:
		l.call(s, false)
	case res == -int32(sys.EAGAIN) && op.Flags&msgDontWait == 0:
		if op.Code == backends.OpConnect {
			s.sub.part = 1 // it has begun
		}
		l.waitFor(s, ready)
	case res >= 0 && op.Multi:
		if s.sub.doubt != 0 {
			l.fallBack(op.Code)
		}
		l.done = append(l.done, outcome{s.c, res, true})
		s.sub.polls = 1
		l.pollEnd(s, op.FD, ready) // the others get their turn between two
	case res > 0 && waitsForAll(op) && int(s.sub.part)+int(res) < op.Size():
		s.sub.part, s.sub.vain = s.sub.part+res, 0
		l.waitFor(s, ready)
	default:
		l.settle(s, s.partial(res))
	}
}

// waitFor has the operation tried again when its descriptor is ready.
func (l *Loop) waitFor(s *slot, ready uint32) {
	switch s.sub.disappoint(); {
	case s.sub.vain > 1 && onFile(s.rec.Op.Code):
		// A disk's file is always ready, and what is not in memory takes a thread that may block.
		l.call(s, false)
	case s.sub.vain > maxVain:
		// Ready, and not ready: the kernel is short of memory for sockets, say. It would itself sleep now.
		l.call(s, true)
	default:
		s.sub.polls = 1
		l.pollEnd(s, s.rec.Op.FD, ready)
	}
}

// maxVain is after how many polls in vain there is a pause before each further one, of 1 to 16 ms. A socket can be ready
// for ever and still not take what is to be sent: one that is not connected is ready whatever room there is at the receiver.
// (Package net waits for news of its own socket then, which are there when the receiver has read what came from there.)
const maxVain = 4

// disappoint counts a poll after which there was nothing to do.
func (st *stand) disappoint() {
	if st.vain < 100 {
		st.vain++
	}
}

// call hands the operation to the pool.
func (l *Loop) call(s *slot, pause bool) {
	s.sub.pooled, s.sub.pausing = true, pause
	l.pool.run(s.c, s)
}

// called is the end of that.
func (l *Loop) called(s *slot) {
	st := &s.sub
	st.pooled = false
	switch pause := st.pausing; {
	case !pause:
		l.settle(s, st.res)
	case s.c.cause != causeNone:
		l.finish(s, s.partial(-int32(sys.ECANCELED)))
	case l.lacks[s.c.Op.Code] || st.doubt != 0:
		st.pausing = false
		l.again(s)
	default:
		st.pausing = false
		s.c.tries-- // a pause bounds the tries as it is
		l.wait(s)
	}
}

// partial is the result of an operation of which a part had been done as a system call before it ended with res.
func (s *slot) partial(res int32) int32 {
	if s.sub.part == 0 || !waitsForAll(&s.c.Op) {
		return res
	}
	return s.sub.part + max(res, 0)
}

// waitsForAll reports whether an operation is over only when it has moved all it can: to and from a ring MSG_WAITALL
// means that.
func waitsForAll(op *backends.Op) bool {
	switch op.Code {
	case backends.OpRecv, backends.OpRecvMsg, backends.OpSend, backends.OpSendMsg, backends.OpSendZC, backends.OpSendMsgZC:
		return op.Flags&msgWaitAll != 0
	}
	return false
}

func onFile(code backends.Code) bool {
	return code.TakesStorageFlags()
}

// fallbacks lists the operations that a loop does as system calls, and those it does not do on registered memory and files.
func (l *Loop) fallbacks() []string {
	var names []string
	for code := range l.stats.fellBack {
		if l.stats.fellBack[code].Load() {
			names = append(names, backends.Code(code).String())
		}
		if l.stats.keptPlain[code].Load() {
			names = append(names, backends.Code(code).String()+"_fixed")
		}
	}
	return names
}
