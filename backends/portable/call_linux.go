//go:build !weir_portable

package portable

import "github.com/weirgo/weir/backends"

const engineDetail = "poll(2)"

// readiness returns the events that an operation may have to wait for, 0 if it never waits for
// other parties.
func readiness(op *backends.Op) uint32 { return backends.Readiness(op) }

// attempt tries an operation without waiting. It returns -EAGAIN if the operation has to wait.
func attempt(r *record) int32 {
	done := r.sofar
	if r.begun {
		done = 1
	}
	res, sure := backends.Try(&r.c.Op, done)
	if !sure {
		return mayBlock
	}
	return res
}

// perform makes the call of an operation, however long it takes.
func perform(r *record) int32 { return backends.Perform(&r.c.Op) }
