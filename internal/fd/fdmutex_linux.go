//go:build !weir_portable

package fd

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/weirgo/weir/sched"
)

// fdMutex keeps a descriptor open and serializes its reads and its writes, as the type of that name
// in internal/poll does.
//
// Its state is one word, so that an operation begins with one change of it and ends with another.
// The word counts the operations, and says which directions are locked and whether the descriptor
// is being closed. An operation that holds or waits for a lock is counted, and a lock that is
// waited for is held. So when the last operation is over only the bits of Close are left.
type fdMutex struct {
	state                 atomic.Uint64
	readQueue, writeQueue lockQueue
}

const (
	stateRef     = 1       // one operation, in the lower half
	stateClosing = 1 << 32 // Close has been called
	stateClosed  = 1 << 33 // close(2) has been called, or is about to be

	stateReading = 1 << 34 // the direction is locked
	stateWriting = 1 << 36
)

// wanted returns the bit beside a lock's bit that says that calls may be queued for the lock: look
// under mu.
func wanted(bit uint64) uint64 { return bit << 1 }

// lockQueue is the queue of calls that wait for the lock of one direction, goroutines and
// coroutines together. They get the lock in order of arrival. A bit of the state says whether it is
// held.
type lockQueue struct {
	mu   sync.Mutex
	last *lockWaiter // the last; the first is behind it, since the queue is a ring
}

// lockWaiter is a call that waits for a lock.
type lockWaiter struct {
	wake       func()
	prev, next *lockWaiter
	queued     bool
	closed     bool // it will not get the lock: the descriptor is closing
}

// lock waits for the lock. The error is the cause of ctx, or why the coroutine of l must not wait,
// or net.ErrClosed.
func (q *lockQueue) lock(ctx context.Context, state *atomic.Uint64, bit uint64, l Waiter) error {
	w := new(lockWaiter)
	if l == nil {
		p := sched.GetParker()
		defer sched.PutParker(p)
		w.wake = p.Unpark
		if q.enqueue(state, bit, w) && !p.ParkUntil(ctx.Done()) {
			if q.dequeue(w) {
				return context.Cause(ctx)
			}
			p.Park() // the wake-up is on its way
		}
	} else {
		err := l.Wait(ctx, func(wake func()) {
			w.wake = wake
			if !q.enqueue(state, bit, w) {
				wake()
			}
		}, func() bool { return q.dequeue(w) })
		if err != nil {
			return err
		}
	}
	if w.closed {
		return net.ErrClosed
	}
	return nil
}

// enqueue queues w. It returns false if w has the lock already, or if the descriptor is closing.
func (q *lockQueue) enqueue(state *atomic.Uint64, bit uint64, w *lockWaiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		u := state.Load()
		switch {
		case u&stateClosing != 0: // otherwise endAll, which comes later, finds w in the queue
			w.closed = true
			return false
		case u&bit == 0:
			if state.CompareAndSwap(u, u|bit) {
				return false
			}
		case u&wanted(bit) != 0 || state.CompareAndSwap(u, u|wanted(bit)):
			q.add(w)
			return true
		}
	}
}

// dequeue takes w out of the queue. It returns false if w has got the lock, or has been told that
// it will not.
func (q *lockQueue) dequeue(w *lockWaiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	was := w.queued
	if was {
		q.remove(w)
	}
	return was
}

// add puts w at the end of the queue.
func (q *lockQueue) add(w *lockWaiter) {
	w.prev, w.next, w.queued = w, w, true
	if last := q.last; last != nil {
		w.prev, w.next = last, last.next
		w.prev.next, w.next.prev = w, w
	}
	q.last = w
}

// first returns the call that has waited longest, or nil.
func (q *lockQueue) first() *lockWaiter {
	if q.last == nil {
		return nil
	}
	return q.last.next
}

// remove takes w, which is queued, out of the queue.
func (q *lockQueue) remove(w *lockWaiter) {
	switch {
	case w.next == w:
		q.last = nil
	case w == q.last:
		q.last = w.prev
	}
	w.prev.next, w.next.prev = w.next, w.prev
	w.prev, w.next, w.queued = nil, nil, false
}

// unlock passes a lock that is waited for to the next call in the queue, or frees it.
func (q *lockQueue) unlock(state *atomic.Uint64, bit uint64) {
	q.mu.Lock()
	w := q.first()
	if w == nil {
		state.And(^(bit | wanted(bit)))
		q.mu.Unlock()
		return
	}
	q.remove(w)
	q.mu.Unlock()
	w.wake()
}

// endAll ends the wait of all calls in the queue. The state says that the descriptor is closing.
func (q *lockQueue) endAll() {
	q.mu.Lock()
	var all []*lockWaiter
	for w := q.first(); w != nil; w = q.first() {
		q.remove(w)
		w.closed = true
		all = append(all, w)
	}
	q.mu.Unlock()
	for _, w := range all {
		w.wake()
	}
}
