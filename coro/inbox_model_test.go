package coro

import (
	"errors"
	"testing"

	"github.com/weirgo/weir/internal/model"
)

// A model of how a scheduler learns what other threads ask of it. It is of Scheduler.ask, takeInbox
// and the end of turn; of Push, Take and Release of sched.Intake; and of wake and Poll of the
// io_uring backend, which sleeps for the loop. A change of one of them changes the model.
type inbox struct {
	list    [3]int8 // the intake, newest first: nodes, counted from 1
	queued  [2]bool // of a node
	asks    [2]int8 // of a node: bits, one for each thread that asks
	asleep  bool    // Scheduler.asleep
	wake    int8    // wake.state
	written bool    // the eventfd

	threads [3]int8 // where each thread is that asks, see thread
	first   [3]bool // it has found the intake empty

	loop  int8    // where the loop is
	taken [3]int8 // what it has taken and not looked at yet
	idle  bool
	seen  int8 // bits: what has been asked and was done
}

const (
	wakeIdle, wakeAsleep, wakeCalled = 0, 1, 2
	allAsked                         = 7
)

type inboxMutant struct {
	emptyBeforeAsleep bool // turn looks whether the inbox is empty before it says that it sleeps
	sleepRegardless   bool // Poll sleeps though wake has been called
	readBeforeRelease bool // takeInbox takes the asks before it releases the node
	wakeWithoutLook   bool // ask wakes only if it was not first: the wrong way round
}

// node is the task that a thread asks something for: two threads ask for the same one.
var node = [3]int8{1, 2, 2}

func (m inboxMutant) model() model.Model[inbox] {
	return model.Model[inbox]{
		Next: func(s inbox, to func(string, inbox)) {
			for p := range s.threads {
				m.thread(s, p, to)
			}
			m.turn(s, to)
		},
		Ends: func(s inbox) error {
			if s.seen != allAsked {
				return errors.New("the loop sleeps, and something that was asked is not done")
			}
			return nil
		},
	}
}

// thread is Scheduler.ask.
func (m inboxMutant) thread(s inbox, p int, to func(string, inbox)) {
	n := node[p] - 1
	switch s.threads[p] {
	case 0:
		s.asks[n] |= 1 << p
		s.threads[p]++
		to("asks.Or", s)
	case 1: // Intake.Push
		s.threads[p]++
		if s.queued[n] {
			s.threads[p] = 5
		}
		s.queued[n] = true
		to("queued.Swap", s)
	case 2:
		s.first[p] = s.list[0] == 0
		s.list = [3]int8{node[p], s.list[0], s.list[1]}
		s.threads[p]++
		if s.first[p] == m.wakeWithoutLook {
			s.threads[p] = 5
		}
		to("push", s)
	case 3:
		s.threads[p] = 4
		if !s.asleep {
			s.threads[p] = 5
		}
		to("asleep.Load", s)
	case 4: // wake.call
		s.written = s.written || s.wake == wakeAsleep
		s.wake = wakeCalled
		s.threads[p] = 5
		to("wake", s)
	}
}

// turn is Scheduler.turn, without the tasks.
func (m inboxMutant) turn(s inbox, to func(string, inbox)) {
	switch s.loop {
	case 0: // Take
		s.taken, s.list = s.list, [3]int8{}
		if s.loop = 1; s.taken[0] == 0 {
			s.loop = 3
		}
		to("take", s)
	case 1, 2: // of each node: Release, then asks.Swap
		n := s.taken[0] - 1
		if release := (s.loop == 1) != m.readBeforeRelease; release {
			s.queued[n] = false
		} else {
			s.seen |= s.asks[n]
			s.asks[n] = 0
		}
		if s.loop++; s.loop == 3 {
			s.taken = [3]int8{s.taken[1], s.taken[2], 0}
			if s.loop = 1; s.taken[0] == 0 {
				s.loop = 3
			}
		}
		to("look at a node", s)
	case 3, 4: // asleep.Store, inbox.Empty
		if store := (s.loop == 3) != m.emptyBeforeAsleep; store {
			s.asleep = true
		} else {
			s.idle = s.list[0] == 0
		}
		s.loop++
		to("sleep?", s)
	case 5: // Poll
		s.loop = 8
		if s.idle {
			if s.loop = 7; s.wake == wakeIdle || m.sleepRegardless {
				s.wake, s.loop = wakeAsleep, 6
			}
		}
		to("wake.sleep", s)
	case 6: // it blocks until the eventfd is news
		if s.written {
			s.written, s.loop = false, 7
			to("woken", s)
		}
	case 7:
		s.wake, s.loop = wakeIdle, 8
		to("wake.awake", s)
	case 8:
		s.asleep, s.idle, s.loop = false, false, 0
		to("asleep.Store", s)
	}
}

// TestInboxModel guards that whatever order the steps of three threads and the loop come in,
// nothing that was asked is left undone while the loop sleeps; and that the model finds out when a
// step is missing or misplaced.
func TestInboxModel(t *testing.T) {
	n, err := inboxMutant{}.model().Check(1 << 20)
	if err != nil {
		t.Error(err)
	}
	t.Log(n, "states")
	for what, m := range map[string]inboxMutant{
		"empty before asleep": {emptyBeforeAsleep: true},
		"sleep regardless":    {sleepRegardless: true},
		"read before release": {readBeforeRelease: true},
		"first wakes":         {wakeWithoutLook: true},
	} {
		var v *model.Violation
		if _, err := m.model().Check(1 << 20); !errors.As(err, &v) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
