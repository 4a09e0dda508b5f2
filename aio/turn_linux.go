//go:build !weir_portable

package aio

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirgo/weir/internal/lane"
	"github.com/weirgo/weir/sched"
)

// turn is a lock for those who take turns at a direction of a descriptor. Goroutines and coroutines wait for it in one
// line, each in its own way, and get it in the order in which they came.
type turn struct {
	state atomic.Uint32 // turnFree, turnTaken or turnWanted

	mu   sync.Mutex
	line []*waiting
}

const (
	turnFree   = iota
	turnTaken  // and nobody waits
	turnWanted // and somebody may wait: look under mu
)

// waiting is one who waits for a turn.
type waiting struct{ wake func() }

// take waits for the turn. The error is that of a coroutine that has been cancelled.
func (t *turn) take(l lane.Lane) error {
	if t.state.CompareAndSwap(turnFree, turnTaken) {
		return nil
	}
	if l == nil {
		p := sched.GetParker()
		if t.queue(&waiting{p.Unpark}) {
			p.Park()
		}
		sched.PutParker(p)
		return nil
	}
	w := new(waiting)
	return l.Wait(func(wake func()) {
		w.wake = wake
		if !t.queue(w) {
			wake()
		}
	}, func() bool { return t.leave(w) })
}

// queue puts w in line; false: it has the turn already.
func (t *turn) queue(w *waiting) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		if t.state.CompareAndSwap(turnFree, turnTaken) {
			return false
		}
		if t.state.Load() == turnWanted || t.state.CompareAndSwap(turnTaken, turnWanted) {
			t.line = append(t.line, w)
			return true
		}
	}
}

// leave takes w out of the line; false: it has been given the turn.
func (t *turn) leave(w *waiting) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.line, w)
	if i < 0 {
		return false
	}
	t.line = slices.Delete(t.line, i, i+1)
	return true
}

// pass gives the turn to the next in line, or frees it.
func (t *turn) pass() {
	if t.state.CompareAndSwap(turnTaken, turnFree) {
		return
	}
	t.mu.Lock()
	if len(t.line) == 0 {
		t.state.Store(turnFree)
		t.mu.Unlock()
		return
	}
	w := t.line[0]
	t.line = slices.Delete(t.line, 0, 1)
	t.mu.Unlock()
	w.wake()
}
