package runtime

import (
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// gate bounds the operations in flight that cannot be polled for and that may block for ever, such
// as the open of a FIFO that has no other end. Each of them holds a thread, of the kernel or of a
// backend's pool, that would otherwise work on files; the bound leaves half of those threads to
// files. At the bound the loop first looks up what an operation opens: FIFOs and devices queue, and
// everything else goes on. An open with O_NONBLOCK does not wait and is not bounded.
type gate struct {
	in, max int
	queue   fifo
}

func (l *Loop) enterGate(s *slot) {
	switch {
	case s.rec.Op.Flags&openNonblock != 0 && openNonblock != 0:
		l.submit(s)
	case l.gate.in < l.gate.max:
		s.sub.gated = true
		l.gate.in++
		l.submit(s)
	case l.lacks[backends.OpStatx]:
		l.gate.queue.push(s.c)
	default:
		l.look(s)
	}
}

// look does a statx of the file that an open is about to open, in place of the open. looked
// continues.
func (l *Loop) look(s *slot) {
	const noFollow, typeOnly = 0x100, 1 // AT_SYMLINK_NOFOLLOW, STATX_TYPE
	op := &s.c.Op
	flags := uint32(0)
	if op.Flags&openNoFollow != 0 {
		flags = noFollow
	}
	s.rec.Op = backends.Op{
		Code: backends.OpStatx, FD: s.c.fd(), Flags: flags,
		Args: &backends.Args{Path: op.Args.Path, Mode: typeOnly, Stat: new(backends.Statx)},
	}
	s.sub.polls = 1
	l.batch = append(l.batch, &s.rec)
}

// looked continues an open after look. A file that does not exist or cannot be reached does not
// block the open.
func (l *Loop) looked(s *slot, res int32) {
	const types, fifo, character = 0xf000, 0x1000, 0x2000
	mayWait := errnoOf(res) == sys.ENOSYS
	if res >= 0 {
		kind := s.rec.Op.Args.Stat.Mode & types
		mayWait = kind == fifo || kind == character
	}
	switch {
	case !mayWait:
		l.again(s)
	case l.gate.in < l.gate.max: // there is room by now
		s.sub.gated = true
		l.gate.in++
		l.again(s)
	default:
		l.gate.queue.push(s.c)
	}
}

// leaveGate lets the next operation in.
func (l *Loop) leaveGate() {
	c := l.gate.queue.pop()
	if c == nil {
		l.gate.in--
		return
	}
	s := l.slots.lookup(c.id)
	s.sub.gated = true
	l.again(s)
}

// leaveQueue ends an operation that waits at the gate. It reports whether c waited there.
func (l *Loop) leaveQueue(c *Completion) bool {
	if !l.gate.queue.remove(c) {
		return false
	}
	l.finish(l.slots.lookup(c.id), -int32(sys.ECANCELED))
	return true
}

// hangs is the number of operations that may block for ever that may be in flight.
func hangs(o *Options) int { return max(o.KernelWorkers/2, 1) }
