package epoll

import (
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// entry is an operation in flight. There is one for each slot of the Loop; it never moves.
type entry struct {
	c     *backends.Completion // nil: none in flight
	id    backends.ID
	state state
	began uint64 // the Poll in which it began to wait, for readiness or for its turn
	done  int    // see backends.Try
	vain  uint8  // number of events after which it had to go on waiting
	ready bool   // it is ready: the pool has it although it can be waited for
	res   int32  // the result of the pool

	d          *desc  // its descriptor, if the backend needs to know
	from       *desc  // the descriptor that OpSplice or OpTee takes from, while the pool has it
	q          *queue // the queue in which it waits or, at the head, is being tried
	prev, next *entry // in q
	work       links  // in the pool
}

type state uint8

const (
	waiting state = iota // it waits for readiness, or for its turn
	working              // the pool has it
)

// queue is a list of operations, first come, first served.
type queue struct{ head, tail *entry }

func (q *queue) push(e *entry) {
	e.q, e.prev, e.next = q, q.tail, nil
	if q.tail == nil {
		q.head = e
	} else {
		q.tail.next = e
	}
	q.tail = e
}

// leave takes e out of its queue, if it is in one.
func (e *entry) leave() {
	q := e.q
	if q == nil {
		return
	}
	if e.prev == nil {
		q.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.q, e.prev, e.next = nil, nil, nil
}

const (
	chunkBits = 8
	chunkLen  = 1 << chunkBits
)

// take makes an entry for a submitted operation.
func (b *Backend) take(c *backends.Completion) *entry {
	chunk, i := int(c.ID.Slot()>>chunkBits), c.ID.Slot()&(chunkLen-1)
	for chunk >= len(b.entries) {
		b.entries = append(b.entries, nil)
	}
	if b.entries[chunk] == nil {
		b.entries[chunk] = new([chunkLen]entry)
	}
	e := &b.entries[chunk][i]
	e.c, e.id, e.state, e.began, e.done, e.vain, e.ready, e.d = c, c.ID, waiting, b.turn, 0, 0, false, nil
	return e
}

// find returns the operation in flight that id names, or nil.
func (b *Backend) find(id backends.ID) *entry {
	chunk := int(id.Slot() >> chunkBits)
	if chunk >= len(b.entries) || b.entries[chunk] == nil {
		return nil
	}
	if e := &b.entries[chunk][id.Slot()&(chunkLen-1)]; e.c != nil && e.id == id {
		return e
	}
	return nil
}

// finish ends an operation: it makes the terminal event.
func (b *Backend) finish(e *entry, res int32) {
	e.leave()
	if e.c.Multi && e.c.Code == backends.OpPoll && e.d != nil {
		e.d.multi--
	}
	e.c, e.d = nil, nil
	b.out = append(b.out, backends.Event{ID: e.id, Res: res})
}

// report makes an event for an operation that goes on.
func (b *Backend) report(e *entry, res int32) {
	b.out = append(b.out, backends.Event{ID: e.id, Res: res, More: true})
}

// fail ends an operation with an error. If it has moved something, that is its result instead.
func (b *Backend) fail(e *entry, errno unix.Errno) {
	b.finish(e, e.total(-int32(errno)))
}

// total returns the result of an operation whose last attempt ended with res.
func (e *entry) total(res int32) int32 {
	switch {
	case e.done == 0 || e.c.Code == backends.OpConnect:
		return res
	case res < 0:
		return int32(e.done)
	}
	return int32(e.done) + res
}
