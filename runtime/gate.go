package runtime

import (
	"slices"

	"github.com/weirgo/weir/internal/sys"
)

// gate bounds the operations in flight that nobody can poll for and that may yet block for ever: opening a FIFO that has
// no other end, above all. Each of them holds a thread, of the kernel's or of a backend's pool, among those that do the
// work on files; half of them are left to the others. Beyond the bound they queue, which costs nobody but them. Whoever
// opens with O_NONBLOCK does not wait and is not bound.
type gate struct {
	in, max int
	queue   []*slot
}

func (l *Loop) enterGate(s *slot) {
	switch {
	case s.rec.Op.Flags&openNonblock != 0 && openNonblock != 0:
	case l.gate.in >= l.gate.max:
		l.gate.queue = append(l.gate.queue, s)
		return
	default:
		s.sub.gated = true
		l.gate.in++
	}
	l.submit(s)
}

// leaveGate lets the next one in.
func (l *Loop) leaveGate() {
	if len(l.gate.queue) == 0 {
		l.gate.in--
		return
	}
	s := l.gate.queue[0]
	l.gate.queue = slices.Delete(l.gate.queue, 0, 1)
	s.sub.gated = true
	l.submit(s)
}

// leaveQueue ends an operation that waits at the gate, and reports whether c does.
func (l *Loop) leaveQueue(c *Completion) bool {
	i := slices.IndexFunc(l.gate.queue, func(s *slot) bool { return s.c == c })
	if i < 0 {
		return false
	}
	s := l.gate.queue[i]
	l.gate.queue = slices.Delete(l.gate.queue, i, i+1)
	l.finish(s, -int32(sys.ECANCELED))
	return true
}

// hangs is how many operations that may block for ever may be in flight.
func hangs(o *Options) int { return max(o.KernelWorkers/2, 1) }
