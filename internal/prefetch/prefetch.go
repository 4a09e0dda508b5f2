// Package prefetch has the processor fetch early what a goroutine is going to need when its turn
// comes. Where hundreds of them take turns, what one needs has left the caches by its next turn:
// its record in Go's runtime, its stack, its connection are each a wait for memory then, one after
// the other. Fetched early they come all at once, while others run.
//
// Goroutines that take turns on one processor of Go's scheduler also tell each other the time.
//
// All of this is a hint. On processors for which there is no code here nothing happens.
package prefetch

import "unsafe"

// line is how many bytes a processor fetches at a time.
const line = 64

// Addr is where something is in memory. It keeps nothing alive: what is there may be something else
// by now, or nothing.
type Addr uintptr

// Of returns the address of *p.
func Of[T any](p *T) Addr { return Addr(unsafe.Pointer(p)) }

// OfFunc returns the address of what the function *f closes over.
func OfFunc[F any](f *F) Addr { return *(*Addr)(unsafe.Pointer(f)) }

// Fetch has the processor fetch the two lines that begin at a, or around it.
func (a Addr) Fetch() { fetch(uintptr(a), 2) }

// Through has the processor fetch what the second and the third word at a point to, which is where
// a function that closes over pointers has two of them. Unlike [Addr.Fetch] it reads what is at a,
// so that must be there.
func (a Addr) Through() { through(uintptr(a)) }

// Goroutine is what a goroutine that waits is going to need first: its stack, where it has left it,
// and its record in Go's runtime. Its zero value is nobody's.
type Goroutine struct{ stack, record uintptr }

// Lines that a goroutine touches when it goes on, by measurement: of its stack, from the frames of
// those that Here's caller calls in order to wait to those of its own callers, and of its record.
// Switching coroutines touches one more of the latter, which is further on.
const (
	stackBelow   = 1
	stackLines   = 11
	recordLines  = 4
	recordSwitch = 6
)

// Here notes where the caller, which is about to wait, is.
func (g *Goroutine) Here() { here(g) }

// IsCaller reports whether the caller is the goroutine that called Here. Where there is no code for
// that, everybody is.
func (g *Goroutine) IsCaller() bool {
	var caller Goroutine
	here(&caller)
	return caller.record == g.record
}

// Self returns a number of the calling goroutine that no other one has as long as it lives. Where
// there is no code for that, it is 0.
func Self() uint64 {
	var caller Goroutine
	here(&caller)
	return uint64(caller.record)
}

// Fetch has the processor fetch what the goroutine needs.
func (g *Goroutine) Fetch() {
	if g.record != 0 {
		fetch(g.stack-stackBelow*line, stackLines)
		fetch(g.record, recordLines)
		fetch(g.record+recordSwitch*line, 1)
	}
}
