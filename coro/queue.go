package coro

import (
	"context"
	"sync"
)

// Queue is a bounded first-in first-out queue, like a channel, for any number of coroutines and
// goroutines at either end. The waiter that has waited longest is served first. Any goroutine and
// any coroutine may call its methods. The context of a method that waits follows the rule of this
// package: see [Task].
type Queue[T any] struct {
	mu        sync.Mutex
	buf       []T // a ring of len(buf) entries
	first, n  int // index of the first entry in use, and their number
	closed    bool
	senders   line
	receivers line
	spare     *item[T]
}

// item is a waiter with the value that it sends or has been given.
type item[T any] struct {
	waiter
	v    T
	ok   bool // v has changed hands
	next *item[T]
}

// NewQueue returns a queue for capacity values. With capacity 0 a Send waits until its value has
// been received.
func NewQueue[T any](capacity int) *Queue[T] {
	if capacity < 0 {
		panic("coro: NewQueue with a negative capacity")
	}
	return &Queue[T]{buf: make([]T, capacity)}
}

// Send puts v in, and waits for room. The error is [ErrClosed] if the queue is closed, before or
// while Send waits. If ctx or the task ends first it is the cause. With an error v has not been and
// will not be received.
func (q *Queue[T]) Send(ctx context.Context, v T) error {
	t := taskOf(ctx)
	if err := cause(ctx, t); err != nil {
		return err
	}
	q.mu.Lock()
	if done, err := q.trySend(v, here(t)); done {
		return err
	}
	if t == nil {
		q.mu.Unlock()
		mayWait(t)
		q.mu.Lock()
		if done, err := q.trySend(v, nil); done {
			return err
		}
	}
	it := q.item(t)
	it.v = v
	q.senders.push(&it.waiter)
	q.mu.Unlock()
	err := it.await(ctx, q)
	if ok := q.recycle(it, nil); err == nil && !ok {
		return ErrClosed
	}
	return err
}

// TrySend puts v in if it need not wait, and reports whether it did.
func (q *Queue[T]) TrySend(v T) bool {
	q.mu.Lock()
	done, err := q.trySend(v, nil)
	if !done {
		q.mu.Unlock()
	}
	return done && err == nil
}

// trySend sends v or finds the queue closed. In both cases done is true and the queue is unlocked.
func (q *Queue[T]) trySend(v T, by *Scheduler) (done bool, err error) {
	if q.closed {
		q.mu.Unlock()
		return true, ErrClosed
	}
	if w := q.receivers.pop(); w != nil {
		it := w.owner.(*item[T])
		it.v, it.ok = v, true
		q.mu.Unlock()
		w.wake(by)
		return true, nil
	}
	if q.n == len(q.buf) {
		return false, nil
	}
	q.put(v)
	q.mu.Unlock()
	return true, nil
}

func (q *Queue[T]) put(v T) {
	i := q.first + q.n
	if i >= len(q.buf) {
		i -= len(q.buf)
	}
	q.buf[i] = v
	q.n++
}

// Recv takes the oldest value out, and waits until there is one. The error is [ErrClosed] if the
// queue is closed and empty. If ctx or the task ends first it is the cause. With an error nothing
// has been taken out.
func (q *Queue[T]) Recv(ctx context.Context) (T, error) {
	var v T
	t := taskOf(ctx)
	if err := cause(ctx, t); err != nil {
		return v, err
	}
	q.mu.Lock()
	if done, err := q.tryRecv(&v, here(t)); done {
		return v, err
	}
	if t == nil {
		q.mu.Unlock()
		mayWait(t)
		q.mu.Lock()
		if done, err := q.tryRecv(&v, nil); done {
			return v, err
		}
	}
	it := q.item(t)
	q.receivers.push(&it.waiter)
	q.mu.Unlock()
	err := it.await(ctx, q)
	if ok := q.recycle(it, &v); err == nil && !ok {
		return v, ErrClosed
	}
	return v, err
}

// TryRecv takes the oldest value out if there is one, and reports whether there was.
func (q *Queue[T]) TryRecv() (v T, ok bool) {
	q.mu.Lock()
	done, err := q.tryRecv(&v, nil)
	if !done {
		q.mu.Unlock()
	}
	return v, done && err == nil
}

// tryRecv receives, or finds the queue closed and empty. In both cases done is true and the queue
// is unlocked.
func (q *Queue[T]) tryRecv(v *T, by *Scheduler) (done bool, err error) {
	got := q.n > 0
	if got {
		var zero T
		*v, q.buf[q.first] = q.buf[q.first], zero
		if q.first++; q.first == len(q.buf) {
			q.first = 0
		}
		q.n--
	}
	w := q.senders.pop()
	if w != nil {
		it := w.owner.(*item[T])
		it.ok = true
		if got { // the sender's value goes behind the others
			q.put(it.v)
		} else {
			got, *v = true, it.v
		}
	}
	switch {
	case got:
	case q.closed:
		err = ErrClosed
	default:
		return false, nil
	}
	q.mu.Unlock()
	if w != nil {
		w.wake(by)
	}
	return true, err
}

// Close makes every Send fail from now on, including those that wait. Recv still returns the values
// in the queue; then it fails too. A second Close has no effect.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	q.closed = true
	senders, receivers := q.senders.popAll(), q.receivers.popAll()
	q.mu.Unlock()
	senders.wake(nil)
	receivers.wake(nil)
}

// Len returns the number of values in the queue, not counting those of a Send that waits.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// Cap returns the number of values that the queue has room for.
func (q *Queue[T]) Cap() int { return len(q.buf) }

// item returns an item for t, or for the calling goroutine. The queue is locked.
func (q *Queue[T]) item(t *Task) *item[T] {
	it := q.spare
	if it == nil {
		it = new(item[T])
		it.owner = it
	} else {
		q.spare, it.next = it.next, nil
	}
	it.waiter.init(t)
	return it
}

// recycle takes an item back, with its value if v is not nil, and reports whether the value has
// changed hands.
func (q *Queue[T]) recycle(it *item[T], v *T) (ok bool) {
	var zero T
	ok = it.ok
	if v != nil && ok {
		*v = it.v
	}
	it.v, it.ok = zero, false
	it.waiter.release()
	q.mu.Lock()
	it.next, q.spare = q.spare, it
	q.mu.Unlock()
	return ok
}

func (q *Queue[T]) withdraw(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.senders.remove(w) || q.receivers.remove(w)
}
