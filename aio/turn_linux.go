//go:build !weir_portable

package aio

import (
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
	last *waiting // in line: a ring, the first one comes after it
}

const (
	turnFree   = iota
	turnTaken  // and nobody waits
	turnWanted // and somebody may wait: look under mu
)

// waiting is one who waits for a turn.
type waiting struct {
	wake func()
	next *waiting
}

// take waits for the turn. The error is that of a coroutine that has been cancelled.
func (t *turn) take(l lane.Lane) error {
	if t.state.CompareAndSwap(turnFree, turnTaken) {
		return nil
	}
	if l == nil {
		p := sched.GetParker()
		if t.queue(&waiting{wake: p.Unpark}) {
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
			w.next = w
			if t.last != nil {
				w.next, t.last.next = t.last.next, w
			}
			t.last = w
			return true
		}
	}
}

// leave takes w out of the line; false: it has been given the turn.
func (t *turn) leave(w *waiting) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		return false
	}
	for before := t.last; ; before = before.next {
		if before.next == w {
			t.remove(before)
			return true
		}
		if before.next == t.last {
			return false
		}
	}
}

// remove takes the one who comes after another out of the line.
func (t *turn) remove(before *waiting) *waiting {
	w := before.next
	switch {
	case w == before:
		t.last = nil
	case w == t.last:
		t.last = before
	}
	before.next = w.next
	return w
}

// pass gives the turn to the next in line, or frees it.
func (t *turn) pass() {
	if t.state.CompareAndSwap(turnTaken, turnFree) {
		return
	}
	t.mu.Lock()
	if t.last == nil {
		t.state.Store(turnFree)
		t.mu.Unlock()
		return
	}
	w := t.remove(t.last)
	t.mu.Unlock()
	w.wake()
}
