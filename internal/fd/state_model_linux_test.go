//go:build !weir_portable

package fd

import (
	"errors"
	"testing"

	"github.com/weirgo/weir/internal/model"
)

// A model of the state of a descriptor, by three operations of one direction, each by an FD of its
// own, and Close. The second may give up while it waits for its turn, the third is that of a view
// which is attached first. It is of lock, Acquire, End, Release, closeIfLast, Completion, attach
// and Close of an FD, and of enqueue, dequeue, unlock and endAll of a lockQueue. What runs under a
// mutex is one step, as is a loop around a CompareAndSwap. A change of one of them changes the
// model.
type useModel struct {
	ops               int8 // of the use: operations
	closing, closed   bool // bits of the use
	taken, wanted     bool // bits of the use, for the direction
	line              [users]int8
	granted           [users]bool // has been woken by pass
	refused           [users]bool // has been woken by Close
	listed            [users]bool // its handle is one of the descriptor's
	recorded, retired [users]bool // its Completion is there; ends what is in flight
	at                [users]int8
	closer            int8
	closes            int8 // calls of close(2)
}

const (
	users    = 3
	quitter  = 1 // may give up in line
	attacher = 2 // attaches first
)

// Where an operation is.
const (
	useAttach int8 = iota
	useJoin
	useAcquire
	useQueue
	useInLine
	useCheck
	useRecord
	useInFlight
	useEnd
	usePass
	useRelease
	useLeft
	useOver
)

type useMutant struct {
	open           bool // not a mutant: nothing closes it
	noLeft         bool // end does not look whether it is the last
	leftStores     bool // left closes without a CompareAndSwap
	recordNoLook   bool // record does not look whether the descriptor is closing
	queueNoMark    bool // queue does not mark the turn as wanted
	passFrees      bool // pass frees the turn though it has given it to the next
	leaveKeeps     bool // an operation that gives up stays in line
	refusedKeeps   bool // acquire of a descriptor that is closing keeps the reference
	closeNoRecords bool // close does not retire
	closeLoses     bool // close takes the line away and wakes none of it
	endUncounted   bool // what waits in line does not count as an operation
}

func (m useMutant) model() model.Model[useModel] {
	start := useModel{at: [users]int8{useJoin, useJoin, useAttach}, listed: [users]bool{true, true}}
	return model.Model[useModel]{
		Start: start,
		Next: func(s useModel, to func(string, useModel)) {
			for p := range int8(users) {
				m.operation(s, p, to)
			}
			m.close(s, to)
		},
		Holds: func(s useModel) error {
			turns := 0
			for p := range users {
				at := s.at[p]
				if at == useCheck || at == useRecord || at == useInFlight || at == useEnd {
					turns++
				}
				if s.closed && (at == useRecord || at == useInFlight) { // one that comes later finds out when it checks
					return errors.New("an operation meets a descriptor that is closed")
				}
			}
			switch {
			case turns > 1:
				return errors.New("two have the turn")
			case s.closes > 1:
				return errors.New("the descriptor is closed twice")
			case s.ops < 0:
				return errors.New("more operations have ended than begun")
			}
			return nil
		},
		Ends: func(s useModel) error {
			for p := range users {
				if s.at[p] != useOver {
					return errors.New("an operation never ends")
				}
			}
			if m.open && s.ops == 0 && !s.taken && !s.wanted {
				return nil
			}
			if s.closer != closerOver || s.closes != 1 || s.ops != 0 || s.taken || s.wanted {
				return errors.New("Close never ends, or something of the use is left")
			}
			return nil
		},
	}
}

func (m useMutant) operation(s useModel, p int8, to func(string, useModel)) {
	switch s.at[p] {
	case useAttach:
		s.listed[p] = !s.closing
		s.at[p] = useJoin
		to("attach", s)
	case useJoin:
		s.at[p] = useAcquire
		if !s.taken {
			s.ops++
			s.taken = true
			s.at[p] = useCheck
		}
		to("join", s)
	case useAcquire:
		s.ops++
		s.at[p] = useQueue
		if s.closing {
			s.at[p] = useRelease
			if m.refusedKeeps {
				s.at[p] = useOver
			}
		} else if m.endUncounted {
			s.ops--
		}
		to("acquire", s)
	case useQueue:
		if s.closing {
			s.at[p] = useRelease
		} else if !s.taken {
			s.taken, s.at[p] = true, useCheck
		} else {
			s.wanted = s.wanted || !m.queueNoMark
			for i, w := range s.line {
				if w == 0 {
					s.line[i] = p + 1
					break
				}
			}
			s.at[p] = useInLine
		}
		to("queue", s)
	case useInLine:
		if s.refused[p] {
			s.at[p] = useRelease
			to("refused", s)
			return
		}
		if s.granted[p] {
			n := s
			n.at[p] = useCheck
			if m.endUncounted {
				n.ops++
			}
			to("woken", n)
		}
		if p != quitter || s.granted[p] {
			return
		}
		for i, w := range s.line { // leave
			if w == p+1 && !m.leaveKeeps {
				copy(s.line[i:], s.line[i+1:])
				s.line[users-1] = 0
			}
		}
		s.at[p] = useRelease
		to("leave", s)
	case useCheck:
		s.at[p] = useRecord
		if s.closing {
			s.at[p] = useEnd
		}
		to("check", s)
	case useRecord:
		s.recorded[p] = true
		s.retired[p] = s.closing && !m.recordNoLook
		s.at[p] = useInFlight
		to("record", s)
	case useInFlight: // the first waits for what never comes
		if p != 0 || s.retired[p] || m.open {
			s.at[p] = useEnd
			to("over", s)
		}
	case useEnd:
		if s.wanted {
			s.at[p] = usePass
			to("wanted", s)
			return
		}
		s.taken = false
		m.release(&s, p)
		to("end", s)
	case usePass:
		s.at[p] = useRelease
		if s.line[0] == 0 {
			s.taken, s.wanted = false, false
		} else {
			s.granted[s.line[0]-1] = true
			copy(s.line[:], s.line[1:])
			s.line[users-1] = 0
			s.taken = !m.passFrees
		}
		to("pass", s)
	case useRelease:
		m.release(&s, p)
		to("release", s)
	case useLeft:
		m.left(&s)
		s.at[p] = useOver
		to("left", s)
	}
}

// release takes the operation off the use.
func (m useMutant) release(s *useModel, p int8) {
	s.ops--
	s.at[p] = useOver
	if s.isLast() && !m.noLeft {
		s.at[p] = useLeft
	}
}

func (s *useModel) isLast() bool {
	return s.ops == 0 && s.closing && !s.closed && !s.taken && !s.wanted
}

func (m useMutant) left(s *useModel) {
	if s.isLast() || m.leftStores {
		s.closed = true
		s.closes++
	}
}

// Where Close is.
const (
	closerBegins int8 = iota
	closerRetires
	closerEndsLine
	closerReleases
	closerLeft
	closerWaits
	closerOver
)

func (m useMutant) close(s useModel, to func(string, useModel)) {
	switch s.closer {
	case closerBegins:
		if m.open {
			return
		}
		s.ops++
		s.closing = true
		s.closer = closerRetires
		to("close", s)
	case closerRetires:
		for p := range users {
			s.retired[p] = s.retired[p] || s.listed[p] && s.recorded[p] && !m.closeNoRecords
			s.listed[p] = false
		}
		s.closer = closerEndsLine
		to("retire", s)
	case closerEndsLine:
		for i, w := range s.line {
			if w != 0 {
				s.line[i], s.refused[w-1] = 0, !m.closeLoses
			}
		}
		s.closer = closerReleases
		to("end the line", s)
	case closerReleases:
		s.ops--
		s.closer = closerWaits
		if s.isLast() {
			s.closer = closerLeft
		}
		to("release of Close", s)
	case closerLeft:
		m.left(&s)
		s.closer = closerWaits
		to("left of Close", s)
	case closerWaits:
		if s.closed {
			s.closer = closerOver
			to("closed", s)
		}
	}
}

// TestUseModel guards that in whatever order the steps of three operations and Close come, all of
// them end, the descriptor is closed once and after the last, and no two have the turn; and that
// the model finds out when a step is missing or wrong.
func TestUseModel(t *testing.T) {
	for _, open := range []bool{false, true} {
		n, err := useMutant{open: open}.model().Check(1 << 20)
		if err != nil {
			t.Error(err)
		}
		t.Log(n, "states")
	}
	for what, m := range map[string]useMutant{
		"no left": {noLeft: true}, "left stores": {leftStores: true}, "record without a look": {recordNoLook: true},
		"queue without a mark": {open: true, queueNoMark: true}, "pass frees": {passFrees: true},
		"leave keeps":   {leaveKeeps: true},
		"refused keeps": {refusedKeeps: true}, "close without records": {closeNoRecords: true},
		"uncounted in line":    {endUncounted: true},
		"close loses the line": {closeLoses: true},
	} {
		var v *model.Violation
		if _, err := m.model().Check(1 << 20); !errors.As(err, &v) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
