// Package prefetch makes the processor fetch early what a goroutine needs when it goes on. If
// hundreds of goroutines run one after the other, what one needs has left the caches before it runs
// again: its record in Go's runtime, its stack, its connection. Each then is a wait for memory, one
// after the other. Fetched early they all arrive together, while other goroutines run.
//
// Goroutines that run one after the other on one processor of Go's scheduler also tell each other
// the time.
//
// All of this is a hint. On processors for which there is no code here the functions do nothing.
package prefetch

import "unsafe"

// line is the size of a cache line in bytes.
const line = 64

// Addr is an address in memory. It keeps nothing alive: the memory may hold something else by now,
// or nothing.
type Addr uintptr

// Of returns the address of *p.
func Of[T any](p *T) Addr { return Addr(unsafe.Pointer(p)) }

// OfFunc returns the address of what the function *f closes over.
func OfFunc[F any](f *F) Addr { return *(*Addr)(unsafe.Pointer(f)) }

// Fetch makes the processor fetch the two lines that begin at a, or around it.
func (a Addr) Fetch() { fetch(uintptr(a), 2) }

// Through makes the processor fetch what the second and the third word at a point to: in a closure
// over pointers these are two of the pointers. Unlike [Addr.Fetch] it reads the memory at a, which
// must be valid.
func (a Addr) Through() { through(uintptr(a)) }

// Goroutine locates what a waiting goroutine needs first: its stack, where it has left it, and its
// record in Go's runtime. The zero value stands for no goroutine.
type Goroutine struct{ stack, record uintptr }

// Lines that a goroutine touches when it goes on, by measurement: of its stack, from the frames
// below Here's caller, which it calls in order to wait, to those of its own callers; and of its
// record. Switching coroutines touches one more line of the record, further on.
const (
	stackBelow   = 1
	stackLines   = 11
	recordLines  = 4
	recordSwitch = 6
)

// Here records where the caller, which is about to wait, is.
func (g *Goroutine) Here() { here(g) }

// IsCaller reports whether the caller is the goroutine that called Here. In builds without code for
// that it is always true.
func (g *Goroutine) IsCaller() bool {
	var caller Goroutine
	here(&caller)
	return caller.record == g.record
}

// Self returns a number of the calling goroutine that no other living goroutine has. In builds
// without code for that it is 0.
func Self() uint64 {
	var caller Goroutine
	here(&caller)
	return uint64(caller.record)
}

// Fetch makes the processor fetch what the goroutine needs.
func (g *Goroutine) Fetch() {
	if g.record != 0 {
		fetch(g.stack-stackBelow*line, stackLines)
		fetch(g.record, recordLines)
		fetch(g.record+recordSwitch*line, 1)
	}
}
