//go:build !weir_portable

package fd

import (
	"runtime"

	"github.com/weirgo/weir/internal/backoff"
	"github.com/weirgo/weir/internal/park"
	"github.com/weirgo/weir/internal/prefetch"
	"github.com/weirgo/weir/internal/sys"
)

// spinner is how a call that finds nothing puts off going to the loop, which costs more than the call itself: to park costs a
// completion, a wake-up and, on an idle machine, putting a thread and a processor to sleep. The call goes through the steps
// below, each only while it has paid of late. The zero value is at the first.
//
// A call uses it like this, and waits for the loop when next returns false:
//
//	for l := (spinner{}); h.next(s, &l); {
//		if found := try(); found {
//			h.hit(s, &l)
//			return
//		}
//	}
type spinner struct {
	step    step
	tried   bool          // in this step
	yielded bool          // once already
	brief   bool          // the call does not spin
	once    bool          // the call tries once and always, whatever has paid: see next
	retries bool          // the call's try while a coroutine yields is that of Waiter.Retry, which yields first
	data    prefetch.Addr // where the call puts what it finds: a hint
	until   int64         // for spinning
}

type step uint8

const (
	// trying is at once, for when data streams in.
	trying step = iota

	// yielding is after the other goroutines, or the other coroutines of the thread, that are ready to run have run: they
	// may bring what the call waits for. In a server under load that is the time in which other clients are served and this
	// one sends its next message. Goroutines do it twice. At first they wait for those of their own processor, so that two
	// that talk to each other stay together there. Then they wait for those of all.
	yielding

	// spinning is again and again for a short time, for a peer that answers faster than a thread, or an idle processor, is
	// put to sleep and woken.
	spinning

	stopped
)

const (
	// spinTime bounds spinning, in nanoseconds: what it takes to put a thread or a processor to sleep, and to wake it.
	spinTime = 40_000

	// idleTime bounds the nanoseconds that letting others run takes if there are none. If it took longer there are others,
	// and the call does not spin.
	idleTime = 5_000

	// tickTime is after how many nanoseconds without a tick of the loop a goroutine that spins runs one. Goroutines that spin
	// are ready to run all the time, which keeps Go's scheduler from looking for events, and others wait in the loop for
	// those. (For its other sources Go's scheduler looks every 10 ms, as in any program that always has a goroutine ready.)
	tickTime = 1_000_000

	// roundBits makes rounds of 1 ms out of nanoseconds. In each round a goroutine that yields waits once for those of all
	// processors at first: otherwise they would wait for it, and an idle processor would not hear of it. If there are so many
	// that each runs once in a round, they have the processor fetch memory for each other, too.
	roundBits = 20
)

// stepBackoffs say which steps of one direction have paid of late.
type stepBackoffs [stopped]backoff.Backoff

// skip gives up a step that could not be begun.
func (l *spinner) skip() { l.step, l.tried = l.step+1, false }

// next reports whether to try now, for the first time or after a try that found nothing.
func (h *FD) next(s *Side, l *spinner) bool {
	if l.step == stopped {
		return false
	}
	if l.once { // each wait takes a turn of Go's scheduler, in which a backlog of connections grows
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

// enterStep begins a step, if the call may take it.
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

// hit notes that the last try has found something.
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
