package runtime

import (
	"sync/atomic"

	"github.com/weirgo/weir/internal/backoff"
)

// gathering lets the goroutines that are ready to run push their operations before a loop takes its
// intake, so that all of them leave in one system call. That pays even for a single other
// goroutine: without it, two goroutines that answer each other wake a thread for each answer. If no
// goroutine joins, the yield to Go's scheduler was wasted, and beside goroutines that compute it
// takes 10 ms. So after each miss it is tried less often.
type gathering struct {
	busy   atomic.Bool // guards paying; a goroutine that finds it set does not yield
	joined atomic.Bool
	paying backoff.Backoff
}

// yield waits until the goroutines that are ready to run have run. The caller found the intake
// empty and has pushed an operation.
func (g *gathering) yield() {
	if !g.busy.CompareAndSwap(false, true) {
		return
	}
	if g.paying.Allow() {
		g.joined.Store(false)
		yield()
		if g.joined.Load() {
			g.paying.Hit()
		} else {
			g.paying.Miss()
		}
	}
	g.busy.Store(false)
}

// join records that an operation has joined others in the intake.
func (g *gathering) join() {
	if !g.joined.Load() {
		g.joined.Store(true)
	}
}
