package coro

import (
	"errors"
	"testing"

	"github.com/weirgo/weir/internal/model"
)

// A model of a Select by a goroutine that receives from two queues, at one of which another
// receiver stands behind it, while a value is sent to each and the context ends. It is of
// waiter.claim, line.pop, waiter.wake, selectOnce, selecting.await, enter and leave of recvCase,
// and trySend. The steps of a line are those that its mutex makes one. A change of one of them
// changes the model.
type twoCases struct {
	won     int8       // selection.won: 0, 1 and 2 for a case, aborted
	line    [2][2]int8 // what stands in line: nothing, the Select or the other receiver
	stored  [2]bool    // a value is in the queue
	other   [2]bool    // the other receiver has got a value
	got     [2]bool    // the Select has
	wakes   int8       // of the Select, under way or come
	sender  [2]int8    // 0: to send, 1: to wake the Select, 2: over
	context bool       // has ended
	at      int8       // where the Select is
	wait    bool
	result  int8 // what it returns, as won
}

const (
	inLineSelect, inLineOther = 1, 2
	modelAborted              = 3
	atTry, atEnter, atPark    = 0, 2, 4
	atLeave, atEnd            = 6, 8
)

type waiterMutant struct {
	lasting        bool // not a mutant: the context does not end
	popUnclaimed   bool // pop serves a waiter that cannot be claimed
	popFirstOnly   bool // pop gives up when the first cannot be claimed
	abortStores    bool // a wait that is given up does not look whether a case has won
	againNoWait    bool // a Select that is to try again does not wait for the wake-up of a case that has won
	enterNoLook    bool // enter does not look whether the queue has a value by now
	leaveForgetful bool // leave does not take the value that was handed over
}

func (m waiterMutant) model() model.Model[twoCases] {
	return model.Model[twoCases]{
		Start: twoCases{line: [2][2]int8{{inLineOther}, {}}},
		Next: func(s twoCases, to func(string, twoCases)) {
			for q := range s.sender {
				m.send(s, q, to)
			}
			if !s.context && !m.lasting {
				n := s
				n.context = true
				to("context ends", n)
			}
			m.selects(s, to)
		},
		Holds: func(s twoCases) error {
			if s.got[0] && s.got[1] {
				return errors.New("two cases of a Select have happened")
			}
			if s.wakes > 1 {
				return errors.New("a Select is woken twice")
			}
			return nil
		},
		Ends: func(s twoCases) error {
			for q := range s.sender {
				n := 0
				for _, has := range []bool{s.stored[q], s.other[q], s.got[q]} {
					if has {
						n++
					}
				}
				if n != 1 {
					return errors.New("a value is lost, or doubled")
				}
				if s.stored[q] && s.line[q] != [2]int8{} {
					return errors.New("a receiver waits beside a value")
				}
				if s.got[q] != (s.result == int8(q)+1) {
					return errors.New("a Select says something else than what has happened")
				}
			}
			if s.at != atEnd || s.wakes != 0 {
				return errors.New("a Select waits for ever, or leaves a wake-up behind")
			}
			return nil
		},
	}
}

// send is trySend and, outside of the mutex, wake.
func (m waiterMutant) send(s twoCases, q int, to func(string, twoCases)) {
	switch s.sender[q] {
	case 0:
		s.sender[q] = 2
		served := false
		for s.line[q][0] != 0 && !served { // pop
			w := s.line[q][0]
			s.line[q] = [2]int8{s.line[q][1]}
			switch {
			case w == inLineOther:
				s.other[q], served = true, true
			case s.won == 0 || m.popUnclaimed:
				s.won, s.got[q], served = int8(q)+1, true, true
				s.sender[q] = 1
			case m.popFirstOnly:
				s.stored[q], served = true, true
			}
		}
		if !served {
			s.stored[q] = true
		}
		to("send", s)
	case 1:
		s.wakes++
		s.sender[q] = 2
		to("wake", s)
	}
}

// selects is Select. The Select is first in each line, so that pop meets it first.
func (m waiterMutant) selects(s twoCases, to func(string, twoCases)) {
	switch s.at {
	case atTry, atTry + 1:
		q := s.at - atTry
		s.at++
		if s.stored[q] { // tryRecv
			s.stored[q], s.got[q] = false, true
			s.result, s.at = q+1, atEnd
		}
		to("try", s)
	case atEnter, atEnter + 1:
		q := s.at - atEnter
		s.at++
		s.wait = true
		if s.stored[q] && !m.enterNoLook { // again
			s.at = atLeave
			if s.wait = s.won != 0; !s.wait {
				s.won = modelAborted
			} else if !m.againNoWait {
				s.at = atPark + 1
			}
		} else {
			s.line[q] = [2]int8{inLineSelect, s.line[q][0]}
		}
		to("enter", s)
	case atPark: // ParkUntil
		if s.wakes > 0 {
			n := s
			n.wakes, n.at = 0, atLeave
			to("woken", n)
		}
		if s.context {
			if s.at = atPark + 1; s.won == 0 || m.abortStores {
				s.won, s.at = modelAborted, atLeave
			}
			to("give up", s)
		}
	case atPark + 1: // Park: a case has won
		if s.wakes > 0 {
			s.wakes, s.at = 0, atLeave
			to("woken", s)
		}
	case atLeave, atLeave + 1:
		q := s.at - atLeave
		if s.line[q][0] == inLineSelect { // withdraw
			s.line[q] = [2]int8{s.line[q][1]}
		} else if m.leaveForgetful {
			s.got[q] = false
		}
		if s.at++; s.at == atEnd {
			s.result = s.won
			if s.won == modelAborted && !s.wait && !s.context {
				s.won, s.result, s.at = 0, 0, atTry // with waiters of its own
			}
		}
		to("leave", s)
	}
}

// TestWaiterModel guards that in whatever order two senders, a Select at both their queues and the
// end of its context act, each value comes to one receiver, the Select is woken once if a case has
// won and not otherwise, and no receiver waits beside a value; and that the model finds out when a
// step is missing or misplaced.
func TestWaiterModel(t *testing.T) {
	for _, lasting := range []bool{false, true} {
		n, err := waiterMutant{lasting: lasting}.model().Check(1 << 20)
		if err != nil {
			t.Error(err)
		}
		t.Log(n, "states")
	}
	for what, m := range map[string]waiterMutant{
		"pop unclaimed": {popUnclaimed: true}, "pop first only": {popFirstOnly: true},
		"abort stores":          {abortStores: true},
		"again without waiting": {againNoWait: true}, "leave forgets": {leaveForgetful: true},
		"enter without a look": {lasting: true, enterNoLook: true},
	} {
		var v *model.Violation
		if _, err := m.model().Check(1 << 20); !errors.As(err, &v) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
