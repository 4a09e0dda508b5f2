package sim

import (
	"container/heap"

	"github.com/weirgo/weir/backends"
)

// agenda holds what will happen on the virtual clock.
type agenda []appointment

type appointment struct {
	at  int64
	seq uint64 // among those of one moment, the first made comes first
	r   *req
	do  func(*req)
}

// schedule makes do happen to r after a time, unless r is over by then.
func (s *Sim) schedule(r *req, after int64, do func(*req)) {
	s.seq++
	heap.Push(&s.due, appointment{at: s.now.Load() + after, seq: s.seq, r: r, do: do})
}

// runDue does what is due.
func (s *Sim) runDue() {
	for s.due.next() <= s.now.Load() {
		a := heap.Pop(&s.due).(appointment)
		a.do(a.r)
	}
}

// next is the time of the first appointment, or Forever. It forgets those of operations that are
// over.
func (a *agenda) next() int64 {
	for len(*a) > 0 && (*a)[0].r.posted {
		heap.Pop(a)
	}
	if len(*a) == 0 {
		return backends.Forever
	}
	return (*a)[0].at
}

// The methods of heap.Interface.

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].seq < a[j].seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(appointment)) }
func (a *agenda) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = appointment{}
	*a = (*a)[:last]
	return x
}
