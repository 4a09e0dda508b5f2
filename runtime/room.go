package runtime

import (
	"container/list"
	"fmt"

	"github.com/weirgo/weir/backends"
)

// Options.MaxInFlight bounds what a loop has in flight: each operation takes room for itself. An
// operation that finds no room, and whose caller waits for it anyway, is started all the same: it
// has a slot and a deadline, and contexts, Cancel and closes reach it. But it does not begin: it
// stands in the loop's line until there is room. So the wait for room is part of the operation, and
// not a separate wait before it.
//
// A chain takes room for one operation, which each of its operations passes to the next.
//
// An operation that takes nothing from the kernel and does not wait needs no room. So what is in
// flight can keep neither a timeout from ending, nor a close from ending the operations that have
// the room.

// room says which of the two Limits of its loop an operation has tokens of.
type room uint8

const (
	roomHeld  room = 1 << iota // a token of Loop.limit
	roomApart                  // a token of Loop.apart: it needs no room, or has to wait for it
	roomOwed                   // it must get room before it begins
)

// roomless reports whether operations of a kind need no room.
func roomless(code backends.Code) bool {
	switch code {
	case backends.OpTimeout, backends.OpLinkTimeout, backends.OpCancel, backends.OpClose, backends.OpEventNotify,
		backends.OpEventClose:
		return true
	}
	return false
}

// admit counts a single operation among those in flight. waits says that it may wait for room in
// the line.
func (l *Loop) admit(c *Completion, waits bool) (room, error) {
	r := roomApart
	if !roomless(c.Op.Code) {
		if l.limit.TryAcquire() {
			return roomHeld, nil
		}
		r |= roomOwed
	}
	if r&roomOwed != 0 && !waits || !l.apart.TryAcquire() {
		return 0, l.refusal()
	}
	return r, nil
}

// refusal returns the reason why there is no room for an operation that does not wait for it.
func (l *Loop) refusal() error {
	if l.refuse.Load() {
		return ErrClosed
	}
	return ErrBusy
}

// admitBatch is admit for all operations of b, each of which may have a slot. apart is the number
// of tokens for those without room.
func (l *Loop) admitBatch(b *Batch, waits bool) (r room, apart int64, err error) {
	if b.room > l.limit.Max() {
		return 0, 0, fmt.Errorf("%w: a batch of %d, and there may be %d", ErrBusy, b.room, l.limit.Max())
	}
	apart = int64(len(b.ops))
	if b.room > 0 {
		if l.limit.TryAcquireN(b.room) {
			r, apart = roomHeld, apart-b.room
		} else if r = roomOwed; !waits {
			return 0, 0, l.refusal()
		}
	}
	if apart > 0 {
		if !l.apart.TryAcquireN(apart) {
			l.discharge(r, b.room, 0)
			return 0, 0, l.refusal()
		}
		r |= roomApart
	}
	return r, apart, nil
}

// discharge gives back n tokens of limit and apart tokens of Loop.apart, as far as r says that they
// were taken.
func (l *Loop) discharge(r room, n, apart int64) {
	if r&roomHeld != 0 {
		l.limit.Release(n)
	}
	if r&roomApart != 0 {
		l.apart.Release(apart)
	}
}

// withdraw is discharge for an operation that was not started after all. Any goroutine may call it.
func (l *Loop) withdraw(r room, n, apart int64) {
	l.discharge(r, n, apart)
	if l.limit.Due() {
		l.notify(false)
	}
}

// inFlightCount is the number of operations in flight. It is positive from before an operation
// enters the intake until the operation has been resolved.
func (l *Loop) inFlightCount() int64 { return l.limit.InUse() + l.apart.InUse() }

// line holds the slots of the operations that wait for room, in order of arrival.
type line struct {
	list  list.List
	place map[*slot]*list.Element
}

// owes puts the operation of s in the line. The next feed lets it begin if there is room after all.
func (l *Loop) owes(s *slot) {
	if l.line.place == nil {
		l.line.place = map[*slot]*list.Element{}
	}
	l.line.place[s] = l.line.list.PushBack(s)
	l.limit.Line(true) // before feed looks for room, so that room given back from now on is Due
}

// feed lets operations in the line begin, in order, while there is room.
func (l *Loop) feed() {
	for e := l.line.list.Front(); e != nil && l.limit.Take(); e = l.line.list.Front() {
		s := e.Value.(*slot)
		l.leaveLine(s)
		s.c.room = roomHeld // in place of the token of Loop.apart that it, or its batch, holds
		l.apart.Release(1)
		l.begin(s)
	}
}

// leaveLine takes the operation of s out of the line if it is there.
func (l *Loop) leaveLine(s *slot) {
	e := l.line.place[s]
	if e == nil {
		return
	}
	l.line.list.Remove(e)
	delete(l.line.place, s)
	if l.line.list.Len() == 0 {
		l.line = line{} // a map does not shrink
		l.limit.Line(false)
	}
}

// chainOwes makes the chain that begins with the i-th operation wait for room, unless it needs
// none.
func (b *Batch) chainOwes(i int) {
	first := b.ops[i]
	for ; i < len(b.ops); i++ {
		if !roomless(b.ops[i].Op.Code) {
			first.room = roomOwed
			return
		}
		if b.ops[i].Link == LinkNone {
			return
		}
	}
}

// passRoom passes the room of an operation of a chain to the next one, or gives it back if there is
// none.
func (l *Loop) passRoom(c, next *Completion) {
	r := c.room
	if r == 0 {
		return
	}
	c.room = 0
	switch {
	case next != nil:
		next.room = r
	case r&roomHeld != 0:
		l.apart.Add(1) // the head gives back what it took
		l.limit.Release(1)
	}
}
