package coro

import "fmt"

// state is the state of a task.
//
//	         spawn
//	           |
//	new --> ready --> running --> waiting --> ready
//	                     |   \
//	                     |    `-> ready        (Yield)
//	                     `-> done
//
// Only the loop's thread changes it. A task is in the ready queue if and only if it is ready. Its
// code runs if and only if it is running, and then it is the scheduler's current task.
type state uint8

const (
	stateNew state = iota
	stateReady
	stateRunning
	stateWaiting
	stateDone
	numStates
)

var stateNames = [numStates]string{"new", "ready", "running", "waiting", "done"}

func (s state) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "unknown"
}

// legal lists the states that may follow each, as a bit set.
var legal = [numStates]uint8{
	stateNew:     1<<stateReady | 1<<stateDone, // done: refused by a scheduler that has been closed
	stateReady:   1 << stateRunning,
	stateRunning: 1<<stateReady | 1<<stateWaiting | 1<<stateDone,
	stateWaiting: 1 << stateReady,
}

// become moves t to another state. A move that is not legal is a fault of this package and panics
// before anything else is done: a task that was resumed twice would run on two stacks.
func (t *Task) become(to state) {
	if legal[t.state]>>to&1 == 0 {
		panic(fmt.Sprintf("coro: task %s goes from %v to %v", t.Name(), t.state, to))
	}
	t.state = to
}
