package sched

import (
	"sync"
	"sync/atomic"

	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/park"
)

// A Parker lets one goroutine wait for one wake-up, over and over. A round is one Unpark and the
// one Park (or ParkUntil or TryPark that returns true) that it ends; they may come in either order.
// The caller of Unpark must not touch the Parker afterwards: the waiter may return it to the pool.
//
// The zero value is ready, with no wake-up pending. A Parker must not be copied.
type Parker struct {
	_ noCopy

	// state is one of the constants below, or the goroutine that Park has blocked. Unpark swaps
	// parkerWoken in, and what it finds says what is left to do. The waiter takes that out again,
	// so each round begins with parkerIdle.
	state atomic.Uintptr
	c     chan struct{} // capacity 1, made by the first waiter that uses it
}

const (
	parkerIdle    uintptr = iota
	parkerWoken           // the wake-up of this round is pending
	parkerChannel         // the waiter receives from c
)

// NewParker returns a Parker with no wake-up pending.
func NewParker() *Parker { return new(Parker) }

// Park blocks until the Unpark of this round, which may already have happened. Everything the waker
// did before Unpark is visible to the caller after Park. Only one goroutine may wait at a time.
func (p *Parker) Park() {
	if !park.Direct {
		p.ParkUntil(nil)
		return
	}
	if p.state.Load() != parkerWoken {
		park.Wait(&p.state)
	}
	p.state.Store(parkerIdle)
}

// ParkUntil is [Parker.Park] that also ends when done is closed. It then returns false, and the
// round is not over. It allocates the first time.
func (p *Parker) ParkUntil(done <-chan struct{}) bool {
	if done == nil && park.Direct {
		p.Park()
		return true
	}
	if p.c == nil {
		p.c = bubble.MakeChan[struct{}](1) // the next owner, and the waker, may be outside the bubble
	}
	if p.state.CompareAndSwap(parkerIdle, parkerChannel) {
		select {
		case <-p.c:
		case <-done:
			if p.state.CompareAndSwap(parkerChannel, parkerIdle) {
				return false
			}
			<-p.c // the wake-up is on its way
		}
	}
	p.state.Store(parkerIdle)
	return true
}

// TryPark reports whether the Unpark of this round has happened. If so the round is over.
func (p *Parker) TryPark() bool { return p.state.CompareAndSwap(parkerWoken, parkerIdle) }

// Unpark ends this round. Any goroutine may call it, once per round. It never blocks. It panics if
// the wake-up of an earlier call is still pending. (A second Unpark that comes after the waiter has
// gone on cannot be told from the first of the next round; [PutParker] catches it if there is no
// next round.)
func (p *Parker) Unpark() {
	switch was := p.state.Swap(parkerWoken); was {
	case parkerIdle:
	case parkerWoken:
		panic("sched: second Unpark in one round")
	case parkerChannel:
		p.c <- struct{}{} // there is room, and the waiter does not go on before
	default:
		park.Wake(was)
	}
}

var parkers = sync.Pool{New: func() any { return NewParker() }}

// GetParker returns a Parker from a pool. Any goroutine may call it. In steady state it does not
// allocate.
func GetParker() *Parker {
	return parkers.Get().(*Parker)
}

// PutParker gives p back to the pool. The caller must be done with the last round and must know
// that no Unpark is on its way. PutParker panics if a wake-up is still pending, because the next
// owner would take it for its own.
func PutParker(p *Parker) {
	if p.state.Load() != parkerIdle {
		panic("sched: PutParker with a wake-up inside")
	}
	parkers.Put(p)
}
