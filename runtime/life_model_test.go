package runtime

import (
	"errors"
	"testing"

	"github.com/weirgo/weir/internal/model"
)

// A model of the life of a Completion that is submitted twice, or once with a callback that rearms
// it, while Cancel is called for the first activation and SetDeadline with a time in the past, and
// the kernel ends what has come to an end. It is of claim, become, aborted, nudge and stands of
// Completion, Cancel, take, attend, start, startOdd, attendStarted and resolve of Loop, and of
// Push, Take and Release of sched.Intake. A change of one of them changes the model.
type life struct {
	state      int8 // stateIdle to stateStarted
	activation int8 // of the life
	abort      int8 // the activation that Cancel wants ended
	late       bool // the deadline has been set, to the past

	queued, pushed bool // the node's flag; it is in the intake
	taken          bool // the loop has it

	kernel bool // has the operation
	why    int8 // it has been asked to stop it: lifeCancelled, lifeLate
	event  int8 // what it says of it
	id     bool // an event is due

	owner, canceller, setter, loop int8 // where each is
	aim                            int8 // of the canceller
	sawLate                        bool // the loop
	result                         int8 // to be resolved
	results                        [3]int8
	woken                          bool
	rearmed                        bool
}

const (
	lifeDone, lifeCancelled, lifeLate = 1, 2, 3

	ownerOver, nudgerOver = 9, 9
)

// Where the loop is.
const (
	loopIdle int8 = iota
	loopRelease
	loopAttend
	loopStart
	loopStartAborted
	loopAborted
	loopLate
	loopResolve
	loopWake
	loopRequeue
	loopPush
)

type lifeRun struct {
	data   [3]bool // the operation of an activation comes to an end by itself
	cancel bool    // Cancel is called
	late   bool    // SetDeadline is
	rearm  bool    // the callback rearms it once

	// What may be wrong.
	startNoLook     bool // start does not look whether it is aborted or late
	attendNoLook    bool // what is pushed in flight is not looked at
	releaseLate     bool // the loop looks at the Completion before it releases the node
	nudgeEarly      bool // nudge looks at the state before the change is made
	anyActivation   bool // Cancel does not say which activation it is for
	rearmActivation bool // what is rearmed is another activation
}

func (m lifeRun) model() model.Model[life] {
	start := life{canceller: nudgerOver, setter: nudgerOver}
	if m.cancel {
		start.canceller = 0
	}
	if m.late {
		start.setter = 0
	}
	return model.Model[life]{
		Start: start,
		Next: func(s life, to func(string, life)) {
			m.submit(s, to)
			m.doCancel(s, to)
			m.setDeadline(s, to)
			m.kernel(s, to)
			m.turn(s, to)
		},
		Holds: func(s life) error {
			for a, r := range s.results {
				if r == lifeCancelled && s.aim != int8(a) {
					return errors.New("an activation is cancelled that no caller has asked to end")
				}
			}
			return nil
		},
		Ends: func(s life) error {
			if s.owner != ownerOver {
				return errors.New("a Completion is never idle again")
			}
			// what Cancel is for may be over
			if s.canceller != nudgerOver && s.canceller != 0 || s.setter != nudgerOver {
				return errors.New("a caller does not return")
			}
			if m.rearm && s.aim == 1 && s.results[1] != lifeCancelled { // that goes on until it is cancelled
				return errors.New("a Cancel that came before what was rearmed is lost")
			}
			return nil
		},
	}
}

func (s *life) push() {
	s.pushed = s.pushed || !s.queued
	s.queued = true
}

// submit is Submit, and the wait for its end.
func (m lifeRun) submit(s life, to func(string, life)) {
	switch s.owner {
	case 0, 4:
		s.state = int8(stateClaimed)
		s.activation++
		s.owner++
		to("claim", s)
	case 1, 5:
		s.state = int8(stateQueued)
		s.owner++
		to("queue", s)
	case 2, 6:
		s.push()
		s.owner++
		to("push", s)
	case 3, 7:
		if s.woken {
			s.woken = false
			if s.owner++; s.owner == 8 || m.rearm {
				s.owner = ownerOver
			}
			to("woken", s)
		}
	}
}

func (m lifeRun) doCancel(s life, to func(string, life)) {
	switch s.canceller {
	case 0:
		if s.activation == 1 {
			s.aim = s.activation
			s.canceller = 1
			if m.nudgeEarly && !s.inFlight() {
				s.canceller = 3
			}
			to("cancel: life", s)
		}
	case 1, 3:
		s.abort = s.aim
		if s.canceller++; s.canceller == 4 {
			s.canceller = nudgerOver
		}
		if m.nudgeEarly && s.canceller == 2 {
			s.canceller = 5
		}
		to("cancel: abort", s)
	case 2:
		if s.canceller = 5; !s.inFlight() {
			s.canceller = nudgerOver
		}
		to("cancel: state", s)
	case 5:
		s.push()
		s.canceller = nudgerOver
		to("cancel: push", s)
	}
}

func (m lifeRun) setDeadline(s life, to func(string, life)) {
	switch s.setter {
	case 0:
		s.late = true
		s.setter = 1
		to("deadline", s)
	case 1:
		if s.setter = 2; !s.inFlight() {
			s.setter = nudgerOver
		}
		to("deadline: state", s)
	case 2:
		s.push()
		s.setter = nudgerOver
		to("deadline: push", s)
	}
}

func (s *life) inFlight() bool { return s.state == int8(stateQueued) || s.state == int8(stateStarted) }

// stop is Loop.stop: the first cause counts.
func (s *life) stop(asked bool, why int8) {
	if asked && s.why == 0 {
		s.why = why
	}
}

func (m lifeRun) kernel(s life, to func(string, life)) {
	if !s.kernel {
		return
	}
	s.kernel = false
	if n := s; m.data[s.activation] && (!s.rearmed || s.activation == 2) {
		n.event = lifeDone
		to("kernel: done", n)
	}
	if n := s; s.why != 0 {
		n.event = s.why
		to("kernel: cancelled", n)
	}
}

func (m lifeRun) aborted(s *life) bool {
	return s.abort == s.activation || m.anyActivation && s.abort != 0
}

// turn is the loop.
func (m lifeRun) turn(s life, to func(string, life)) {
	step := func(name string, at int8) {
		s.loop = at
		to(name, s)
	}
	before := s
	switch s.loop {
	case loopIdle:
		if s.event != 0 {
			s.result, s.event, s.id, s.why = s.event, 0, false, 0
			step("reap", loopResolve)
			s = before
		}
		if s.pushed {
			s.pushed = false
			if s.taken = true; m.releaseLate {
				step("take", loopAttend)
			} else {
				step("take", loopRelease)
			}
		}
	case loopRelease:
		s.queued, s.taken = false, false
		if m.releaseLate {
			step("release", loopIdle)
		} else {
			step("release", loopAttend)
		}
	case loopAttend:
		switch {
		case s.state == int8(stateQueued):
			s.state = int8(stateStarted)
			step("start", loopStart)
		case s.state == int8(stateStarted) && s.id && !m.attendNoLook:
			step("in flight", loopAborted)
		default:
			step("nothing", m.looked())
		}
	case loopStart:
		s.sawLate = s.late && !m.startNoLook
		step("deadline?", loopStartAborted)
	case loopStartAborted:
		switch {
		case m.aborted(&s) && !m.startNoLook || s.sawLate:
			if s.result = lifeLate; m.aborted(&s) && !m.startNoLook {
				s.result = lifeCancelled
			}
			if m.releaseLate {
				s.queued, s.taken = false, false
			}
			step("over before it began", loopResolve)
		default:
			s.kernel, s.id = true, true
			step("launch", m.looked())
		}
	case loopAborted:
		s.stop(m.aborted(&s), lifeCancelled)
		step("aborted?", loopLate)
	case loopLate:
		s.stop(s.late, lifeLate)
		step("late?", m.looked())
	case loopResolve:
		s.results[s.activation] = s.result
		s.state = int8(stateIdle)
		step("idle", loopWake)
	case loopWake:
		if m.rearm && !s.rearmed {
			s.rearmed = true
			s.state = int8(stateClaimed)
			if s.result == lifeCancelled || m.rearmActivation {
				s.activation++
			}
			step("rearm", loopRequeue)
			return
		}
		s.woken = true
		step("wake", loopIdle)
	case loopRequeue:
		s.state = int8(stateQueued)
		step("queue again", loopPush)
	case loopPush:
		s.push()
		step("push again", loopIdle)
	}
}

// looked is where the loop is when it has looked at a Completion.
func (m lifeRun) looked() int8 {
	if m.releaseLate {
		return loopRelease
	}
	return loopIdle
}

// TestLifeModel guards that in whatever order the steps of an owner, Cancel, SetDeadline, the loop
// and the kernel come, every activation ends, a cancellation ends the one it is for and no other,
// and a deadline all of them; and that the model finds out when a step is missing or misplaced.
func TestLifeModel(t *testing.T) {
	const yes, no = true, false
	runs := map[string]lifeRun{
		"cancelled":              {cancel: true, data: [3]bool{no, no, yes}},
		"cancelled or done":      {cancel: true, data: [3]bool{no, yes, yes}},
		"late":                   {late: true},
		"late or done":           {late: true, data: [3]bool{no, yes, yes}},
		"late, and cancelled":    {late: true, cancel: true},
		"rearmed, and cancelled": {cancel: true, rearm: true, data: [3]bool{no, yes, yes}},
		"rearmed, and late":      {late: true, rearm: true, data: [3]bool{no, yes, yes}},
	}
	for what, m := range runs {
		n, err := m.model().Check(1 << 20)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		t.Log(what, n, "states")
	}
	mutant := func(run string, f func(m *lifeRun)) {
		t.Helper()
		m := runs[run]
		f(&m)
		var v *model.Violation
		if _, err := m.model().Check(1 << 20); !errors.As(err, &v) {
			t.Errorf("%s: %v", run, err)
		}
	}
	for _, run := range []string{"cancelled", "late"} {
		mutant(run, func(m *lifeRun) { m.startNoLook = true })
		mutant(run, func(m *lifeRun) { m.attendNoLook = true })
		mutant(run, func(m *lifeRun) { m.releaseLate = true })
	}
	mutant("cancelled", func(m *lifeRun) { m.nudgeEarly = true })
	mutant("cancelled", func(m *lifeRun) { m.anyActivation = true })
	mutant("rearmed, and cancelled", func(m *lifeRun) { m.rearmActivation = true })
}
