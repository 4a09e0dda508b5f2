package runtime

import (
	"sync/atomic"

	"github.com/weirgo/weir/internal/backoff"
)

// gathering lets goroutines that are ready to run push their operations before a loop takes its intake, so
// that all of them leave in one system call. That pays even when there is only one other: without it, two
// goroutines that answer each other wake a thread for each answer. Where none joins it costs a turn of Go's
// scheduler for nothing, which beside goroutines that compute takes 10 ms, so it is tried less and less often.
type gathering struct {
	busy   atomic.Bool // guards paying; a goroutine that finds it set goes on without waiting for others
	joined atomic.Bool
	paying backoff.Backoff
}

// yield waits until the goroutines that are ready to run have run. The caller has found the intake empty and
// has pushed an operation.
func (g *gathering) yield() {
	if !g.busy.CompareAndSwap(false, true) {
		return
	}
	if g.paying.Eager() {
		g.joined.Store(false)
		yield()
		if g.joined.Load() {
			g.paying.Found()
		} else {
			g.paying.Disappointed()
		}
	}
	g.busy.Store(false)
}

// join says that an operation has joined others in the intake.
func (g *gathering) join() {
	if !g.joined.Load() {
		g.joined.Store(true)
	}
}
