package coro

import (
	"context"
	"sync"
)

// Queue is a bounded queue: what a channel is to goroutines, for coroutines and goroutines alike,
// in any number at either end. Values come out in the order in which they went in; who waits
// longest is served first. Any goroutine and any coroutine may call its methods; those that wait
// take a context as everywhere in this package: see Task.
type Queue[T any] struct {
	mu        sync.Mutex
	buf       []T // a ring of len(buf) places
	first, n  int // of those in use
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

// NewQueue returns a queue for capacity values. With 0 a Send waits until the value has been
// received.
func NewQueue[T any](capacity int) *Queue[T] {
	if capacity < 0 {
		panic("coro: NewQueue with a negative capacity")
	}
	return &Queue[T]{buf: make([]T, capacity)}
}

// Send puts v in, waiting for room. The error is ErrClosed, also if the queue is closed while Send
// waits, or the cause if ctx or the task ends first: then v has not been and will not be received.
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

// TrySend puts v in if that needs no waiting, and reports whether it has.
func (q *Queue[T]) TrySend(v T) bool {
	q.mu.Lock()
	done, err := q.trySend(v, nil)
	if !done {
		q.mu.Unlock()
	}
	return done && err == nil
}

// trySend sends v or finds the queue closed; then it is done and has unlocked the queue.
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

// Recv takes the oldest value out, waiting until there is one. The error is ErrClosed when the
// queue has been closed and is empty, or the cause if ctx or the task ends first: then nothing has
// been taken out.
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

// tryRecv receives or finds the queue closed and empty; then it is done and has unlocked the queue.
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
		if got { // the sender's value has its place behind the others
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

// Close has every Send from now on fail, those that wait included. What is in the queue can still
// be received; then Recv fails, too. A second Close has no effect.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	q.closed = true
	senders, receivers := q.senders.popAll(), q.receivers.popAll()
	q.mu.Unlock()
	senders.wake(nil)
	receivers.wake(nil)
}

// Len is the number of values in the queue, without those of a Send that waits.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// Cap is the number of values that the queue has room for.
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
