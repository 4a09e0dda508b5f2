package runtime

import (
	"errors"
	"testing"

	"github.com/weirgo/weir/internal/model"
)

// A model of the scheduler drive: two goroutines that submit an operation each, the kernel that
// ends it, and the reaper. It is of Push and Take of sched.Intake, notify, turn, tickAll and reap,
// and of the backend's Pending. What runs under the loop's lock is cut where the kernel or another
// goroutine can come in between. A change of one of them changes the model.
type driveModel struct {
	ops    [modelOps]int8
	locked bool // the loop's lock
	more   bool // schedDrive.more
	edge   bool // the descriptor has become readable, and the reaper not looked since
	turns  [modelOps + 1]aTurn
}

const (
	modelOps = 2
	reaper   = modelOps
)

// Where an operation is.
const (
	opNew int8 = iota
	opPushed
	opInKernel
	opCompleted
	opReaped
	opResolved
)

// aTurn is where a goroutine is in turn.
type aTurn struct {
	at   int8
	mine int8 // operations that it has reaped and not resolved: bits
}

const (
	turnIdle int8 = iota // not in turn: a submitter may push, the reaper waits for an edge
	turnTry
	turnMore
	turnTryAgain
	turnBegin
	turnTake
	turnReap
	turnPending
	turnUnlock
	turnResolve
	turnAgain
	turnOver
)

type driveMutant struct {
	noMore       bool // one that finds the lock taken does not set more
	noSecondTry  bool // nor tries the lock again when it has
	lateClear    bool // turn clears more after its tick
	noLookAtMore bool // turn does not look at more when it has let go of the lock
	everyPush    bool // not a mutant: each that pushes runs a turn
	nobodyPumps  bool // one that finds the intake empty does not run a turn
}

func (m driveMutant) model() model.Model[driveModel] {
	return model.Model[driveModel]{
		Next: func(s driveModel, to func(string, driveModel)) {
			for i, at := range s.ops {
				if at == opInKernel {
					n := s
					n.ops[i], n.edge = opCompleted, true
					to("kernel", n)
				}
			}
			for p := range s.turns {
				m.goroutine(s, p, to)
			}
		},
		Ends: func(s driveModel) error {
			for _, at := range s.ops {
				if at != opResolved {
					return errors.New("an operation is never over")
				}
			}
			return nil
		},
	}
}

func (m driveMutant) goroutine(s driveModel, p int, to func(string, driveModel)) {
	t := &s.turns[p]
	step := func(name string, at int8) {
		t.at = at
		to(name, s)
	}
	switch t.at {
	case turnIdle:
		switch {
		case p == reaper && s.edge:
			s.edge = false
			step("reaper", turnTry)
		case p != reaper && s.ops[p] == opNew: // Push
			empty := !s.any(opPushed)
			s.ops[p] = opPushed
			if empty && !m.nobodyPumps || m.everyPush {
				step("push and pump", turnTry)
			} else {
				step("push", turnOver) // it parks
			}
		}
	case turnTry: // TryLock
		if s.locked {
			step("lock is taken", turnMore)
		} else {
			s.locked = true
			step("lock", turnBegin)
		}
	case turnMore:
		s.more = s.more || !m.noMore
		if m.noSecondTry {
			step("more", m.leaves(p))
		} else {
			step("more", turnTryAgain)
		}
	case turnTryAgain:
		if s.locked {
			step("lock is taken still", m.leaves(p))
		} else {
			s.locked = true
			step("lock", turnBegin)
		}
	case turnBegin:
		s.more = s.more && m.lateClear
		step("clear more", turnTake)
	case turnTake:
		s.move(opPushed, opInKernel)
		step("take and submit", turnReap)
	case turnReap:
		for i, at := range s.ops {
			if at == opCompleted {
				s.ops[i] = opReaped
				t.mine |= 1 << i
			}
		}
		step("reap", turnPending)
	case turnPending:
		switch {
		case !s.any(opCompleted):
			step("nothing is pending", turnUnlock)
		case t.mine != 0: // resolve first
			s.more = true
			step("break off", turnUnlock)
		default:
			step("tick again", turnTake)
		}
	case turnUnlock:
		s.more = s.more && !m.lateClear
		s.locked = false
		step("unlock", turnResolve)
	case turnResolve:
		for i := range s.ops {
			if t.mine>>i&1 != 0 {
				s.ops[i] = opResolved
			}
		}
		t.mine = 0
		step("resolve", turnAgain)
	case turnAgain:
		if s.more && !m.noLookAtMore {
			step("again", turnTry)
		} else {
			step("leave", m.leaves(p))
		}
	}
}

// leaves is where a goroutine is that leaves turn: the reaper waits for the next edge.
func (m driveMutant) leaves(p int) int8 {
	if p == reaper {
		return turnIdle
	}
	return turnOver
}

func (s *driveModel) any(at int8) bool {
	for _, o := range s.ops {
		if o == at {
			return true
		}
	}
	return false
}

func (s *driveModel) move(from, to int8) {
	for i, at := range s.ops {
		if at == from {
			s.ops[i] = to
		}
	}
}

// TestDriveModel guards that in whatever order the steps of two submitters, the reaper and the
// kernel come, every operation is over in the end, also where one finds the lock taken; and that
// the model finds out when a step is missing or misplaced.
func TestDriveModel(t *testing.T) {
	for _, every := range []bool{false, true} {
		n, err := driveMutant{everyPush: every}.model().Check(1 << 21)
		if err != nil {
			t.Error(err)
		}
		t.Log(n, "states")
	}
	for what, m := range map[string]driveMutant{
		"more is not set": {noMore: true}, "no second try": {noSecondTry: true}, "late clear": {lateClear: true},
		"no look at more": {noLookAtMore: true}, "no pump": {nobodyPumps: true},
	} {
		var v *model.Violation
		if _, err := m.model().Check(1 << 21); !errors.As(err, &v) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
