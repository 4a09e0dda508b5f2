package runtime

import (
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// partialBackend is implemented by backends that may be unable to do some operations because the
// kernel is too old. The loop performs those operations, and operations that a filter denies, as
// system calls. So a backend with this method works on the system's own descriptors.
type partialBackend interface{ Supports(backends.Code) bool }

// stand is the progress of an operation, above all of one that is done as a system call instead of
// by the backend. The pool owns it while pooled is set.
type stand struct {
	polls   uint8 // number of polls still to come before the operation is tried again
	gated   bool  // it has passed Loop.gate
	pooled  bool  // the pool has it
	pausing bool  // the pool only waits a little
	noRoom  bool  // the last poll for room ended without POLLOUT
	vain    uint8 // number of polls in a row after which the system call found nothing
	plain   bool  // it was refused on registered memory or files; the plain form will show whether that was why
	doubt   int8  // the result that was a refusal; the system call will show whether the backend or the system refused
	part    int32 // what the system calls have moved so far: see backends.Try
	res     int32 // the pool's result
}

// do is the pool's part of a substitute.
func (st *stand) do(op *backends.Op) {
	if st.pausing {
		time.Sleep(time.Millisecond << min(st.vain-maxVain-1, 4))
		return
	}
	st.res = perform(op)
}

// fallBack records that the backend cannot do operations of this kind here.
func (l *Loop) fallBack(code backends.Code) {
	l.lacks[code], l.odd[code] = true, true
	l.stats.fellBack[code].Store(true)
}

// keepPlain records that the backend cannot do operations of this kind on registered memory and
// files here.
func (l *Loop) keepPlain(code backends.Code) {
	l.plain[code], l.odd[code] = true, true
	l.stats.keptPlain[code].Store(true)
}

// ofRegistered reports whether an operation may have been submitted in its form for registered
// memory or files, which a filter can deny while it allows the plain one.
func ofRegistered(op *backends.Op) bool {
	return !op.Plain && op.Args != nil && (op.Args.Region != nil || op.Args.File != nil)
}

// canSubstitute reports whether op can be done in another way than by the backend.
func (l *Loop) canSubstitute(op *backends.Op) bool {
	return l.partial && op.Code != backends.OpPoll && op.Code != backends.OpNop
}

// doubtful reports whether the backend rather than the operation may be the reason for a failure: a
// filter denied it, or the kernel is too old for a multishot accept (5.19).
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
// refuses that, unless it polls for all its operations.
func polled(op *backends.Op) bool { return op.Code.TakesStorageFlags() && op.Flags&rwfHiPri != 0 }

// substitute performs the operation of a slot as a system call. An operation that waits for
// readiness is tried, and tried again after a poll, so that it can be cancelled as usual. The rest
// goes to the pool, unless it takes no time.
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
		l.pollEnd(s, op.FD, ready) // other operations run between two parts
	case res > 0 && waitsForAll(op) && int(s.sub.part)+int(res) < op.Size():
		s.sub.part, s.sub.vain = s.sub.part+res, 0
		l.waitFor(s, ready)
	default:
		l.settle(s, s.partial(res))
	}
}

// waitFor tries the operation again when its descriptor is ready.
func (l *Loop) waitFor(s *slot, ready uint32) {
	switch s.sub.disappoint(); {
	case s.sub.vain > 1 && onFile(s.rec.Op.Code):
		// A regular file is always ready, and a read that is not in memory needs a thread that may
		// block.
		l.call(s, false)
	case s.sub.vain > maxVain:
		// The descriptor is ready, and the operation still would wait: the kernel is short of
		// memory for sockets, say. The kernel would sleep itself now.
		l.call(s, true)
	default:
		s.sub.polls = 1
		l.pollEnd(s, s.rec.Op.FD, ready)
	}
}

// maxVain is the number of polls in vain after which a pause of 1 to 16 ms precedes each further
// one. A socket can be ready for ever and still not take what is to be sent: one that is not
// connected is ready whatever room its receiver has. (Package net then waits for an event of its
// own socket, which comes when the receiver has read what came from there.)
const maxVain = 4

// disappoint counts a poll after which there was nothing to do.
func (st *stand) disappoint() {
	if st.vain < 100 {
		st.vain++
	}
}

// call gives the operation to the pool.
func (l *Loop) call(s *slot, pause bool) {
	s.sub.pooled, s.sub.pausing = true, pause
	l.pool.run(s.c, s)
}

// called continues an operation that the pool has performed.
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
		s.c.tries-- // the pause bounds the tries already
		l.wait(s)
	}
}

// partial returns the result of an operation that ended with res after system calls had done a part
// of it.
func (s *slot) partial(res int32) int32 {
	if s.sub.part == 0 || !waitsForAll(&s.c.Op) {
		return res
	}
	return s.sub.part + max(res, 0)
}

// waitsForAll reports whether an operation is over only when it has moved all it can. On a ring
// MSG_WAITALL means that.
func waitsForAll(op *backends.Op) bool {
	switch op.Code {
	case backends.OpRecv, backends.OpRecvMsg, backends.OpSend, backends.OpSendMsg, backends.OpSendZC,
		backends.OpSendMsgZC:
		return op.Flags&msgWaitAll != 0
	}
	return false
}

func onFile(code backends.Code) bool {
	return code.TakesStorageFlags()
}

// fallbacks lists the operations that a loop does as system calls, and those that it does not do on
// registered memory and files.
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
