package sched

import "sync"

// A Parker lets one goroutine wait for one wake-up, over and over. A round is one Unpark and the one
// Park, or receive from C, that it ends; they may come in either order. Whoever calls Unpark must not
// touch the Parker afterwards: the waiter is free to hand it back to the pool.
type Parker struct {
	c chan struct{} // capacity 1: the wake-up of this round
}

// NewParker returns a Parker that nobody has woken.
func NewParker() *Parker {
	return &Parker{c: make(chan struct{}, 1)}
}

// Park blocks until the Unpark of this round, which may already have happened. Everything the waker did
// before Unpark is visible to the caller after Park. One goroutine at a time may wait.
func (p *Parker) Park() {
	<-p.c
}

// Unpark ends this round. Any goroutine may call it, once per round. It never blocks. It panics if the
// wake-up of an earlier call is still inside. (A second Unpark that comes after the waiter has gone on
// cannot be told from the first of the next round; [PutParker] catches it if there is no next round.)
func (p *Parker) Unpark() {
	select {
	case p.c <- struct{}{}:
	default:
		panic("sched: second Unpark in one round")
	}
}

// C returns the channel that delivers the wake-up, for use in a select. A receive from it is a Park.
func (p *Parker) C() <-chan struct{} {
	return p.c
}

var parkers = sync.Pool{New: func() any { return NewParker() }}

// GetParker returns a Parker from a pool. Any goroutine may call it. In steady state it does not allocate.
func GetParker() *Parker {
	return parkers.Get().(*Parker)
}

// PutParker gives p back to the pool. The caller must be done with the last round and must know that no
// Unpark is on its way. PutParker panics if a wake-up is still inside, since the next owner would take
// it for its own.
func PutParker(p *Parker) {
	if len(p.c) != 0 {
		panic("sched: PutParker with a wake-up inside")
	}
	parkers.Put(p)
}
