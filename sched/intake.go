package sched

import "sync/atomic"

// A Node is what an [Intake] queues. It is meant to be a field of the value it stands for, with
// Value pointing back to it, so that queueing allocates nothing. A Node with only Value set is
// ready for use.
//
// Value is set before the first Push and does not change after it. A Node is in at most one Intake
// at a time. Its memory must not move from Push until Release: the Intake holds a pointer to it.
type Node[T any] struct {
	Value *T

	next   *Node[T] // owned by the pusher until it is published, then by the consumer
	queued atomic.Bool
}

// An Intake is a queue with any number of producers and one consumer: goroutines push work, and a
// loop takes all of it at once. The zero Intake is empty and ready. An Intake must not be copied.
//
// It has no bound of its own, because its callers own the nodes. If the number of operations in
// flight must be bounded, the producer takes a token from a [Limit] first.
//
// A Node stands for "look at this value", not for one message: it is delivered once, however often
// it is pushed before the consumer takes it. The consumer reads what there is to do from the
// value's own fields, which producers write before Push and the consumer reads after
// [Node.Release]. No update is lost:
//
//	producer                         consumer
//	p1: write a field of *n.Value    c1: n.Release()
//	p2: q.Push(n)                    c2: read the fields of *n.Value
//
// All atomic operations of a Go program behave as if they ran one after the other, in some order
// that each goroutine's program order agrees with. Push and Release both swap n.queued, so one of
// them comes first. If Push does, it finds true and adds nothing. But then p1 precedes p2, which
// precedes c1, which precedes c2: the consumer that is about to read sees the write. If Release
// does, Push finds false and queues n again: the consumer sees the write in the next round, at the
// latest. The fields themselves must be atomic or guarded by a mutex, because a producer may write
// while the consumer reads.
//
// The list is a stack that producers push to by compare-and-swap. The consumer never pops one node,
// it takes the whole stack by swapping in nil. So a head that comes back (the ABA problem) does no
// harm: whatever node is on top, the pushed node points to it.
type Intake[T any] struct {
	_    [cacheLine]byte // keeps the pushers' cache line apart from the consumer's private fields
	head atomic.Pointer[Node[T]]
	_    [cacheLine]byte
}

// cacheLine is the size in bytes by which fields are kept apart. A wrong guess costs time only.
const cacheLine = 64

// Push queues n. If n is already queued, Push does nothing: the consumer has yet to release n and
// will then see everything that was written before this call. Any goroutine may call it. It does
// not block or allocate.
//
// It reports whether this call made the intake non-empty. The caller that gets true must wake the
// consumer. If it gets false another caller has done so, or has yet to (a Push of the same node
// that is still under way). So false does not mean that [Intake.Empty] is false.
func (q *Intake[T]) Push(n *Node[T]) bool {
	if n.queued.Swap(true) {
		return false
	}
	for {
		head := q.head.Load()
		n.next = head
		if q.head.CompareAndSwap(head, n) {
			return head == nil
		}
	}
}

// Take detaches everything that has been pushed and returns the first node, or nil if there is
// none. The nodes come in the order in which they were queued; those of one producer are in the
// order of its calls. Only the consumer may call it. It does not block. A loop over the result
// reads:
//
//	for n := q.Take(); n != nil; {
//		next := n.Next()
//		n.Release()
//		handle(n.Value)
//		n = next
//	}
//
// The guarantees depend on the order of the first two lines. Next panics after Release if it can
// tell. Fields read before Release may miss an update that no later round shows.
func (q *Intake[T]) Take() *Node[T] {
	if q.head.Load() == nil {
		return nil // a load leaves the cache line shared, a swap would not
	}
	n := q.head.Swap(nil)
	var first *Node[T]
	for n != nil {
		next := n.next
		n.next = first
		first, n = n, next
	}
	return first
}

// Empty reports whether there was nothing to take at the time of the call. Any goroutine may call
// it. A consumer that wants to sleep first says so where producers look after a Push that returned
// true, then checks Empty, and only then sleeps.
func (q *Intake[T]) Empty() bool {
	return q.head.Load() == nil
}

// Next returns the node after n in the list that [Intake.Take] returned, or nil. Only the consumer
// may call it, and only before n.Release: after that the link belongs to the goroutine that pushes
// n next. Next panics if n is not queued.
func (n *Node[T]) Next() *Node[T] {
	if !n.queued.Load() {
		panic("sched: Node.Next on a node that is not queued (after Release?)")
	}
	return n.next
}

// Release lets n be pushed again. The consumer calls it once for each node that it took, after
// [Node.Next] and before it reads the payload. Release panics if n is not queued.
func (n *Node[T]) Release() {
	n.next = nil // do not keep the neighbour alive
	if !n.queued.Swap(false) {
		panic("sched: Node.Release on a node that is not queued (released twice?)")
	}
}
