// Package model explores small models of protocols between goroutines exhaustively: every order in
// which their steps can come. A model is kept as a test beside the code that it models, so that a
// change of the protocol changes the model.
package model

import "fmt"

// Model is a protocol with a state of type S, which is copied at each step: copies must not share
// anything.
type Model[S comparable] struct {
	Start S

	// Next calls to for each state that one step of any process can make of s. A step is what
	// happens without another process in between: one operation on an atomic, or everything done
	// while a mutex is held. If there is no step the run has ended.
	Next func(s S, to func(step string, next S))

	// Holds reports what must be true in every state and is not; nil: all is well.
	Holds func(s S) error

	// Ends reports what must be true in a state without a step and is not, for example a process
	// that waits for ever.
	Ends func(s S) error
}

// Violation is a run of the model that ends in a forbidden state.
type Violation struct {
	Steps []string
	Err   error
}

func (v *Violation) Error() string {
	return fmt.Sprintf("%v after %d steps: %q", v.Err, len(v.Steps), v.Steps)
}

// Check explores all states that can be reached from the first, breadth first, and returns their
// number. The error is a [*Violation] with a shortest run, or says that there are more than limit
// states.
func (m Model[S]) Check(limit int) (states int, err error) {
	type arrival struct {
		from int // index of the previous state
		step string
	}
	seen := map[S]struct{}{m.Start: {}}
	queue := []S{m.Start}
	came := []arrival{{from: -1}}
	violation := func(i int, err error) error {
		var steps []string
		for ; came[i].from >= 0; i = came[i].from {
			steps = append([]string{came[i].step}, steps...)
		}
		return &Violation{Steps: steps, Err: err}
	}
	for i := 0; i < len(queue); i++ {
		s := queue[i]
		if m.Holds != nil {
			if err := m.Holds(s); err != nil {
				return len(queue), violation(i, err)
			}
		}
		moves := 0
		m.Next(s, func(step string, next S) {
			moves++
			if _, there := seen[next]; there {
				return
			}
			seen[next] = struct{}{}
			queue = append(queue, next)
			came = append(came, arrival{i, step})
		})
		if moves == 0 && m.Ends != nil {
			if err := m.Ends(s); err != nil {
				return len(queue), violation(i, err)
			}
		}
		if len(queue) > limit {
			return len(queue), fmt.Errorf("more than %d states", limit)
		}
	}
	return len(queue), nil
}
