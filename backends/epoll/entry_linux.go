package epoll

import (
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// entry is an operation in flight. There is one for each slot of the Loop's; it never moves.
type entry struct {
	c     *backends.Completion // nil: none in flight
	id    backends.ID
	state state
	began uint64 // the turn in which it began to wait, or to stand in line
	done  int    // see backends.Try
	vain  uint8  // events after which it had to go on waiting
	ready bool   // the pool has it though it can be waited for: it is ready
	res   int32  // what the pool brought

	d          *desc  // its descriptor, if the backend needs to know
	from       *desc  // the one it takes from, while the pool has it: OpSplice, OpTee
	q          *queue // in which it waits or, at the head, is being worked at
	prev, next *entry // in q
	work       links  // in the pool
}

type state uint8

const (
	waiting state = iota // for readiness, or for its turn
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

// leave takes e out of the queue it is in, if any.
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

// take makes an entry of what was submitted.
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

// finish ends an operation: its terminal event is ready.
func (b *Backend) finish(e *entry, res int32) {
	e.leave()
	if e.c.Multi && e.c.Code == backends.OpPoll && e.d != nil {
		e.d.multi--
	}
	e.c, e.d = nil, nil
	b.out = append(b.out, backends.Event{ID: e.id, Res: res})
}

// report makes an event of an operation that goes on.
func (b *Backend) report(e *entry, res int32) {
	b.out = append(b.out, backends.Event{ID: e.id, Res: res, More: true})
}

// fail ends an operation with an error, unless it has moved something, which then is its result.
func (b *Backend) fail(e *entry, errno unix.Errno) {
	b.finish(e, e.total(-int32(errno)))
}

// total is the result of an operation whose last attempt ended with res.
func (e *entry) total(res int32) int32 {
	switch {
	case e.done == 0 || e.c.Code == backends.OpConnect:
		return res
	case res < 0:
		return int32(e.done)
	}
	return int32(e.done) + res
}
