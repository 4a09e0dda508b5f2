package runtime

import (
	"math/bits"
	"sync/atomic"

	"github.com/weirgo/weir/backends"
)

// Stats are counters since the start, except InFlight, which is a level. Their ratios show how well
// operations are batched: SQEs/Enters is the number of operations for each system call.
type Stats struct {
	Ops       map[string]uint64 // operations started on loops, by kind
	Direct    uint64            // operations that callers performed themselves, without a loop
	InFlight  int64             // operations submitted and not resolved
	Enters    uint64            // calls that submitted operations or looked for events (io_uring_enter)
	SQEs      uint64            // entries submitted, internal ones included
	CQEs      uint64            // entries reaped, internal ones included
	Syscalls  uint64            // system calls made by loops: Enters and wake-ups
	Wakes     uint64            // goroutines woken with a result
	Cancels   uint64            // cancellations asked of the kernel
	Overflows uint64            // how often the completion queue overflowed
	Rearmed   uint64            // multishots, including the wake source, armed again after the kernel ended them
	// operations submitted again after EINTR, EAGAIN or a cancellation that was not asked for
	Resubmitted uint64
	Stale       uint64 // events of operations that were already over
}

// Total returns the number of operations of all kinds.
func (s *Stats) Total() uint64 {
	n := s.Direct
	for _, v := range s.Ops {
		n += v
	}
	return n
}

type loopStats struct {
	ops                                         [backends.NumCodes]atomic.Uint64
	fellBack, keptPlain                         [backends.NumCodes]atomic.Bool
	wakes, cancels, rearmed, resubmitted, stale atomic.Uint64
	// spread over cache lines, since callers of all processors count here
	direct [counters]struct {
		n atomic.Uint64
		_ [56]byte
	}
}

// tally counts operations where only one goroutine does so; a flush adds them to the shared
// counters in one atomic addition.
type tally struct {
	n     [backends.NumCodes]uint64
	dirty [(backends.NumCodes + 63) / 64]uint64

	direct uint64 // operations done without the loop
}

func (t *tally) add(code backends.Code) {
	t.n[code]++
	t.dirty[code/64] |= 1 << (code % 64)
}

func (t *tally) flush(to *loopStats) {
	if t.direct != 0 {
		to.direct[0].n.Add(t.direct)
		t.direct = 0
	}
	for w := range t.dirty {
		for ; t.dirty[w] != 0; t.dirty[w] &= t.dirty[w] - 1 {
			code := 64*w + bits.TrailingZeros64(t.dirty[w])
			to.ops[code].Add(t.n[code])
			t.n[code] = 0
		}
	}
}

// Stats returns the counters of one loop.
func (l *Loop) Stats() Stats {
	l.mustBeMade()
	s := Stats{Ops: map[string]uint64{}}
	l.addTo(&s)
	return s
}

func (l *Loop) addTo(s *Stats) {
	for code := range l.stats.ops {
		if n := l.stats.ops[code].Load(); n > 0 {
			s.Ops[backends.Code(code).String()] += n
		}
	}
	c := l.be.Counters()
	for i := range l.stats.direct {
		s.Direct += l.stats.direct[i].n.Load()
	}
	s.InFlight += l.inFlightCount()
	s.Enters += c.Enters
	s.SQEs += c.SQEs
	s.CQEs += c.CQEs
	s.Syscalls += c.Syscalls
	s.Overflows += c.Overflows
	s.Wakes += l.stats.wakes.Load()
	s.Cancels += l.stats.cancels.Load()
	s.Rearmed += c.Rearms + l.stats.rearmed.Load()
	s.Resubmitted += l.stats.resubmitted.Load()
	s.Stale += l.stats.stale.Load()
}

// DirectHere is [Loop.Direct] for the goroutine that runs the loop, as [Loop.SubmitHere] is
// [Loop.Submit].
func (l *Loop) DirectHere() { l.started.direct++ }

// Direct counts an operation on descriptor fd that its caller did without the loop. After every
// giveWay of them the caller yields to other goroutines: see there.
func (l *Loop) Direct(fd int) {
	if l.stats.direct[uint(fd)%counters].n.Add(1)%giveWay == 0 {
		yield()
	}
}

// giveWay is the number of direct operations after which a goroutine yields. A goroutine whose peer
// is always ready, or whose file is in the page cache, never waits: it keeps its processor until
// Go's scheduler preempts it after 10 to 20 ms, and the goroutines that are ready wait for each
// such goroutine. This many operations take about a millisecond. (On package net or os a goroutine
// seldom holds out as long: Go takes the processor away from system calls that take more than 20
// µs, and one in a few hundred does.)
const giveWay = 256

// counters is the number of parts that the count of direct operations is split into: with this
// many, two processors seldom meet at one.
const counters = 64
