//go:build !weir_portable

package aio

import (
	"runtime"

	"github.com/weirgo/weir/internal/backoff"
	"github.com/weirgo/weir/internal/park"
	"github.com/weirgo/weir/internal/prefetch"
	"github.com/weirgo/weir/internal/sys"
)

// lingering is how a call that may find nothing puts off going to the loop, which costs more than the call itself. It goes
// through these steps, each only while it has paid of late. The zero value begins.
type lingering struct {
	step    step
	tried   bool          // in this step
	yielded bool          // once already
	brief   bool          // the call does not spin
	retries bool          // the call's try while a coroutine yields is that of Lane.Retry, which yields first
	data    prefetch.Addr // where the call puts what it finds: a hint
	until   int64         // for spinning
}

type step uint8

const (
	// trying: at once, for when data streams in.
	trying step = iota

	// yielding: when all goroutines, or coroutines of the thread, that are ready to run have run, who may bring it about. In a
	// server under load that is the time in which other clients are served and this one sends its next message. Goroutines do
	// it twice: at first they wait for those of their own processor, so that two that talk to each other stay together
	// there, then for those of all.
	yielding

	// spinning: again and again for a short time, for a peer that answers faster than a thread, or an idle processor, is put
	// to sleep and woken.
	spinning

	stopped
)

const (
	// spinTime bounds spinning, in nanoseconds: what it takes to put a thread or a processor to sleep, and to wake it.
	spinTime = 40_000

	// idleTime bounds the nanoseconds that letting others run takes where there are none. In company nobody spins.
	idleTime = 5_000

	// attendTime is after how many nanoseconds without a tick of the loop one of those who linger runs one: they are ready to run
	// all the time, keep Go's scheduler from looking for events, and somebody must see to those who wait in the loop. (For
	// what else it looks it does so every 10 ms, as in any program in which there is always somebody ready.)
	attendTime = 1_000_000

	// roundBits makes rounds of 1 ms out of nanoseconds. In each round a goroutine that yields waits once for those of all
	// processors at first: else they would wait for it, and a processor that is idle would not hear of it. Where there is such
	// a crowd that each has but one turn in a round they have the processor fetch for each other, too.
	roundBits = 20
)

// patiences are those of one direction.
type patiences [stopped]backoff.Backoff

// skip gives up a step that could not be begun.
func (l *lingering) skip() { l.step, l.tried = l.step+1, false }

// again reports whether to try now, for the first time or after a try that found nothing.
func (h *handle) again(s *side, l *lingering) bool {
	if l.step == stopped {
		return false
	}
	if l.tried {
		if l.step == spinning && sys.Monotonic() < l.until {
			return true
		}
		if l.step == yielding && !l.yielded && !l.brief && h.lane() == nil {
			l.yielded = true
			if h.begins(s, l) {
				return true
			}
		}
		s.patient[l.step].Disappointed()
		l.step++
	}
	for ; l.step < stopped; l.step++ {
		if s.patient[l.step].Eager() && h.begins(s, l) {
			l.tried = true
			return true
		}
	}
	return false
}

// begins begins a step, if the call may.
func (h *handle) begins(s *side, l *lingering) bool {
	if l.step == trying {
		return h.mayTry(s)
	}
	if !h.direct || l.brief && l.step == spinning {
		return false
	}
	if h.lane() != nil {
		return l.step == yielding && (l.retries || h.lane().Yield())
	}
	var turn prefetch.Turn
	now := int64(0) // nobody has told
	if l.step == yielding {
		turn, now = prefetch.GiveWay(prefetch.Of(h), prefetch.Of(h.descriptor), l.data)
	}
	if now == 0 {
		now = sys.Monotonic()
		turn.Tell(now)
	}
	if !h.loop.Attend(now, attendTime) {
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

// found notes that the last try was not for nothing.
func (h *handle) found(s *side, l *lingering) {
	if l.step < stopped {
		s.patient[l.step].Found()
	}
	h.did()
}

// did counts an operation that was done without the loop.
func (h *handle) did() {
	if h.lane() != nil {
		h.loop.DirectHere()
	} else {
		h.loop.Direct(h.fd)
	}
}
