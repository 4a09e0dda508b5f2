package runtime

import (
	"container/list"
	"fmt"

	"github.com/weirgo/weir/backends"
)

// Options.MaxInFlight bounds what a loop has in flight: each operation has room for itself. What finds none, and whose
// caller waits for it anyway, is started all the same: it has a slot and its deadline, and contexts, Cancel and closes
// reach it. Only it does not begin: it stands in the loop's line until there is room. So a wait for room is part of the
// operation, and not another wait before it.
//
// A chain has room for one operation, which each of its operations leaves to the next.
//
// What neither takes anything from the kernel nor waits needs no room, so nothing that is in flight keeps a timeout from
// ending, or a close from ending what has the room.

// room says what an operation takes of the two Limits of its loop.
type room uint8

const (
	roomHeld  room = 1 << iota // a token of Loop.limit
	roomApart                  // a token of Loop.apart: it needs no room, or has to wait for it
	roomOwed                   // it must have room before it begins
)

// roomless reports whether operations of a kind need no room.
func roomless(code backends.Code) bool {
	switch code {
	case backends.OpTimeout, backends.OpLinkTimeout, backends.OpCancel, backends.OpClose, backends.OpEventNotify, backends.OpEventClose:
		return true
	}
	return false
}

// admit counts an operation of its own among those in flight. waits says that it may wait for room in the line.
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

// refusal is why there is no room for an operation that does not wait for it.
func (l *Loop) refusal() error {
	if l.refuse.Load() {
		return ErrClosed
	}
	return ErrBusy
}

// admitBatch is admit for all operations of b, of which each may have a slot: apart is for those without room.
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

// discharge takes what has had room n times, and stood apart so often, from among what is in flight.
func (l *Loop) discharge(r room, n, apart int64) {
	if r&roomHeld != 0 {
		l.limit.Release(n)
	}
	if r&roomApart != 0 {
		l.apart.Release(apart)
	}
}

// withdraw is discharge for what was not started after all. Any goroutine may call it.
func (l *Loop) withdraw(r room, n, apart int64) {
	l.discharge(r, n, apart)
	if l.limit.Due() {
		l.notify(false)
	}
}

// inFlightCount is how many operations are in flight. It is not 0 from before an operation enters the intake until it has been
// resolved.
func (l *Loop) inFlightCount() int64 { return l.limit.InUse() + l.apart.InUse() }

// line holds the slots of operations that wait for room, in the order in which they came.
type line struct {
	list  list.List
	place map[*slot]*list.Element
}

// owes has the operation of s wait in the line. The next feed lets it begin if there is room after all.
func (l *Loop) owes(s *slot) {
	if l.line.place == nil {
		l.line.place = map[*slot]*list.Element{}
	}
	l.line.place[s] = l.line.list.PushBack(s)
	l.limit.Line(true) // before feed looks for room: what is given back from now on is Due
}

// feed lets operations in the line begin, in order, while there is room.
func (l *Loop) feed() {
	for e := l.line.list.Front(); e != nil && l.limit.Take(); e = l.line.list.Front() {
		s := e.Value.(*slot)
		l.leaveLine(s)
		s.c.room = roomHeld // in place of the token that it, or its batch, has apart
		l.apart.Release(1)
		l.begin(s)
	}
}

// leaveLine takes the operation of s out of the line, if it has got there.
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

// chainOwes has the chain that begins with the i-th operation wait for room, unless it needs none.
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

// passRoom leaves the room of an operation of a chain to the next one, or gives it back if there is none.
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
