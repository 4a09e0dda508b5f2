//go:build !weir_portable

package fd

import (
	"runtime"

	"github.com/weirgo/weir/internal/backoff"
	"github.com/weirgo/weir/internal/park"
	"github.com/weirgo/weir/internal/prefetch"
	"github.com/weirgo/weir/internal/sys"
)

// spinner is an adaptive spin: the steps that a call takes when it finds nothing, before it goes to
// the loop. Going there costs more than the call itself: parking takes a completion, a wake-up and,
// on an idle machine, putting a thread and a processor to sleep. The call takes each of the steps
// below only while it has paid of late. The zero value is at the first step.
//
// A call uses it like this, and waits on the loop when next returns false:
//
//	for l := (spinner{}); h.next(s, &l); {
//		if found := try(); found {
//			h.hit(s, &l)
//			return
//		}
//	}
type spinner struct {
	step    step
	tried   bool          // it has tried in this step
	yielded bool          // it has yielded once already
	brief   bool          // the call does not spin
	once    bool          // the call always tries exactly once, whatever has paid: see next
	retries bool          // when a coroutine yields, Waiter.Retry makes the call's try, after the other coroutines
	data    prefetch.Addr // where the call puts the data: a hint for prefetching
	until   int64         // end of spinning
}

type step uint8

const (
	// trying tries at once, for data that streams in.
	trying step = iota

	// yielding tries after the other ready goroutines, or the other ready coroutines of the thread,
	// have run: they may bring what the call waits for. In a server under load other clients are
	// served in that time, while this one sends its next message. Goroutines do it twice: they
	// first yield to those of their own processor, so that two that talk to each other stay there
	// together, and then to those of all processors.
	yielding

	// spinning tries again and again for a short time, for a peer that answers faster than a
	// thread, or an idle processor, is put to sleep and woken.
	spinning

	stopped
)

const (
	// spinTime bounds spinning, in nanoseconds: what it takes to put a thread or a processor to
	// sleep, and to wake it.
	spinTime = 40_000

	// idleTime is the longest time, in nanoseconds, that yielding takes if no other goroutine is
	// ready. If it took longer others are, and the call does not spin.
	idleTime = 5_000

	// tickTime is the time without a tick of the loop, in nanoseconds, after which a goroutine that
	// spins runs one. Goroutines that spin are always ready to run, which keeps Go's scheduler from
	// looking for events that others wait for in the loop. (For its other sources Go's scheduler
	// looks every 10 ms, as in any program that always has a goroutine ready.)
	tickTime = 1_000_000

	// roundBits makes rounds of 1 ms out of nanoseconds. In each round a goroutine that yields does
	// so once to all processors first: otherwise their goroutines would wait for it, and an idle
	// processor would not learn of them. If there are so many goroutines that each runs once in a
	// round, they also make the processor prefetch memory for each other.
	roundBits = 20
)

// stepBackoffs says which steps of one direction have paid of late.
type stepBackoffs [stopped]backoff.Backoff

// skip leaves out a step that could not be begun.
func (l *spinner) skip() { l.step, l.tried = l.step+1, false }

// next reports whether to try now: for the first time, or after a try that found nothing.
func (h *FD) next(s *Side, l *spinner) bool {
	if l.step == stopped {
		return false
	}
	if l.once { // each wait takes a pass of Go's scheduler, in which a backlog of connections grows
		first := !l.tried
		l.tried = true
		return first && h.mayTry(s)
	}
	if l.tried {
		if l.step == spinning && sys.Monotonic() < l.until {
			return true
		}
		if l.step == yielding && !l.yielded && !l.brief && h.Waiter() == nil {
			l.yielded = true
			if h.enterStep(s, l) {
				return true
			}
		}
		s.backoffs[l.step].Miss()
		l.step++
	}
	for ; l.step < stopped; l.step++ {
		if s.backoffs[l.step].Allow() && h.enterStep(s, l) {
			l.tried = true
			return true
		}
	}
	return false
}

// enterStep begins a step. It returns false if the call may not take it.
func (h *FD) enterStep(s *Side, l *spinner) bool {
	if l.step == trying {
		return h.mayTry(s)
	}
	if !h.Direct || l.brief && l.step == spinning {
		return false
	}
	if h.Waiter() != nil {
		return l.step == yielding && (l.retries || h.Waiter().Yield())
	}
	var turn prefetch.Turn
	now := int64(0) // not known yet
	if l.step == yielding {
		turn, now = prefetch.GiveWay(prefetch.Of(h), prefetch.Of(h.descriptor), l.data)
	}
	if now == 0 {
		now = sys.Monotonic()
		turn.Tell(now)
	}
	if !h.Loop.Attend(now, tickTime) {
		return false
	}
	switch round := uint8(now >> roundBits); {
	case s.round != round:
		s.round = round
		runtime.Gosched()
		turn.GoOn()
	case l.step == yielding && !l.yielded:
		park.Yield()
	default:
		runtime.Gosched()
	}
	if l.step == spinning {
		l.until = now + spinTime
		return sys.Monotonic() < now+idleTime
	}
	return true
}

// hit records that the last try has found something.
func (h *FD) hit(s *Side, l *spinner) {
	if l.step < stopped {
		s.backoffs[l.step].Hit()
	}
	h.CountDirect()
}

// CountDirect counts an operation that was done without the loop.
func (h *FD) CountDirect() {
	if h.Waiter() != nil {
		h.Loop.DirectHere()
	} else {
		h.Loop.Direct(h.Sysfd)
	}
}
