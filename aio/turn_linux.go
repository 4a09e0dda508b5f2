//go:build !weir_portable

package aio

import (
	"sync"
	"sync/atomic"

	"github.com/weirgo/weir/internal/lane"
	"github.com/weirgo/weir/sched"
)

// A use is what is going on at a descriptor, in one word, so that an operation begins with one change of it and ends with
// another: how many operations there are, who has his turn at the directions, whether it is being closed.
//
// Somebody who has or wants a turn counts as an operation, and a turn that is wanted is taken. So the word is of
// one who is closing, and no more, when the last operation is over.
const (
	useOne     = 1       // an operation, in the lower half
	useClosing = 1 << 32 // Close has been called
	useClosed  = 1 << 33 // close(2) is called, or was

	useReading = 1 << 34 // a turn is taken
	useWriting = 1 << 36
)

// wanted is that somebody may be in line for the turn that bit stands for: look under mu.
func wanted(bit uint64) uint64 { return bit << 1 }

// turn is a lock for those who take turns at a direction of a descriptor. Goroutines and coroutines wait for it in one
// line, each in its own way, and get it in the order in which they came. Whether it is taken says a bit of the use.
type turn struct {
	mu   sync.Mutex
	last *waiting // in line: a ring, the first one comes after it
}

// waiting is one who waits for a turn.
type waiting struct {
	wake func()
	next *waiting
}

// take waits for the turn. The error is that of a coroutine that has been cancelled.
func (t *turn) take(use *atomic.Uint64, bit uint64, l lane.Lane) error {
	if l == nil {
		p := sched.GetParker()
		if t.queue(use, bit, &waiting{wake: p.Unpark}) {
			p.Park()
		}
		sched.PutParker(p)
		return nil
	}
	w := new(waiting)
	return l.Wait(func(wake func()) {
		w.wake = wake
		if !t.queue(use, bit, w) {
			wake()
		}
	}, func() bool { return t.leave(w) })
}

// queue puts w in line; false: it has the turn already.
func (t *turn) queue(use *atomic.Uint64, bit uint64, w *waiting) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		u := use.Load()
		if u&bit == 0 {
			if use.CompareAndSwap(u, u|bit) {
				return false
			}
		} else if u&wanted(bit) != 0 || use.CompareAndSwap(u, u|wanted(bit)) {
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

// pass gives a turn that is wanted to the next in line, or frees it.
func (t *turn) pass(use *atomic.Uint64, bit uint64) {
	t.mu.Lock()
	if t.last == nil {
		use.And(^(bit | wanted(bit)))
		t.mu.Unlock()
		return
	}
	w := t.remove(t.last)
	t.mu.Unlock()
	w.wake()
}
