//go:build !weir_portable

package aio

import (
	"context"
	"net"
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

// turn is a lock for operations that take turns at a direction of a descriptor. Goroutines and coroutines wait for it in one
// line, each in its own way, and get it in the order in which they came. Whether it is taken says a bit of the use.
type turn struct {
	mu   sync.Mutex
	last *waiting // in line; the first is the one behind it: the line is a ring
}

// waiting is a call that waits for a turn.
type waiting struct {
	wake       func()
	prev, next *waiting
	queued     bool
	closed     bool // it has not got the turn: the descriptor is closing
}

// take waits for the turn. The error is the cause of ctx, why the coroutine of l must not wait, or net.ErrClosed.
func (t *turn) take(ctx context.Context, use *atomic.Uint64, bit uint64, l lane.Lane) error {
	w := new(waiting)
	if l == nil {
		p := sched.GetParker()
		defer sched.PutParker(p)
		w.wake = p.Unpark
		if t.queue(use, bit, w) && !p.ParkUntil(ctx.Done()) {
			if t.leave(w) {
				return context.Cause(ctx)
			}
			p.Park() // the wake-up is on its way
		}
	} else {
		err := l.Wait(ctx, func(wake func()) {
			w.wake = wake
			if !t.queue(use, bit, w) {
				wake()
			}
		}, func() bool { return t.leave(w) })
		if err != nil {
			return err
		}
	}
	if w.closed {
		return net.ErrClosed
	}
	return nil
}

// queue puts w in line; false: it has the turn already, or the descriptor is closing.
func (t *turn) queue(use *atomic.Uint64, bit uint64, w *waiting) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		u := use.Load()
		switch {
		case u&useClosing != 0: // or else close, which says so first, finds w in line
			w.closed = true
			return false
		case u&bit == 0:
			if use.CompareAndSwap(u, u|bit) {
				return false
			}
		case u&wanted(bit) != 0 || use.CompareAndSwap(u, u|wanted(bit)):
			t.add(w)
			return true
		}
	}
}

// leave takes w out of the line; false: it has been given the turn, or told that there will be none.
func (t *turn) leave(w *waiting) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := w.queued
	if was {
		t.remove(w)
	}
	return was
}

// add puts w at the end of the line.
func (t *turn) add(w *waiting) {
	w.prev, w.next, w.queued = w, w, true
	if last := t.last; last != nil {
		w.prev, w.next = last, last.next
		w.prev.next, w.next.prev = w, w
	}
	t.last = w
}

// first is the one that has waited for longest, or nil.
func (t *turn) first() *waiting {
	if t.last == nil {
		return nil
	}
	return t.last.next
}

// remove takes w out of the line, in which it is.
func (t *turn) remove(w *waiting) {
	switch {
	case w.next == w:
		t.last = nil
	case w == t.last:
		t.last = w.prev
	}
	w.prev.next, w.next.prev = w.next, w.prev
	w.prev, w.next, w.queued = nil, nil, false
}

// pass gives a turn that is wanted to the next in line, or frees it.
func (t *turn) pass(use *atomic.Uint64, bit uint64) {
	t.mu.Lock()
	w := t.first()
	if w == nil {
		use.And(^(bit | wanted(bit)))
		t.mu.Unlock()
		return
	}
	t.remove(w)
	t.mu.Unlock()
	w.wake()
}

// close ends the wait of all in line. The use says that the descriptor is closing.
func (t *turn) close() {
	t.mu.Lock()
	var all []*waiting
	for w := t.first(); w != nil; w = t.first() {
		t.remove(w)
		w.closed = true
		all = append(all, w)
	}
	t.mu.Unlock()
	for _, w := range all {
		w.wake()
	}
}
