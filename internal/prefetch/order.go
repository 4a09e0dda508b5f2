//go:build gc && (amd64 || arm64) && !go1.27 && !weir_noprefetch && !weir_nolinkname

package prefetch

import (
	"sync/atomic"
	_ "unsafe" // for go:linkname
)

const (
	// crowd is the number of goroutines from which what each of them needs no longer stays in the
	// caches. With fewer, GiveWay and GoOn take 7 ns and do nothing else.
	crowd = 128

	// ahead is how many positions past the caller's own GoOn prefetches.
	ahead = 2

	// orderSize is how many positions an order remembers; with more goroutines the next one is
	// unknown. Four times as many were measured, too: with 512 goroutines the order itself then
	// took 2 % of the time.
	orderSize = 1 << 10

	// sharing is how many goroutines use a time that one has told. Reading the clock costs 40 ns,
	// of the 500 that one pass of a goroutine takes beside its system calls.
	sharing = 7

	// timely is the greatest age, in nanoseconds, of the time that the last of them gets, if passes
	// take as long as before. After a pause the time is older, and those that were still to share
	// it get it all the same.
	timely = 200_000

	// maxProcs is the number of Ps that have an order of their own. With more Ps some share an
	// order, and prefetch for the wrong goroutines.
	maxProcs = 1 << 8
)

// deepLines is the most lines of a stack that are prefetched. It is measured: net/http touches that
// many. For coroutines, which are prefetched many at a time, it is fewer: see Goroutine.Fetch.
const deepLines = 36

// place records a goroutine that has yielded, and what it touches when it goes on.
type place struct {
	goroutine        Goroutine
	end              uintptr // of its stack, at its beginning
	then, also, data Addr
}

// order records in which order goroutines have yielded on a P (a processor of Go's scheduler),
// which is also the order in which they go on. The goroutine that is pinned to the P adds to it.
// Goroutines on other Ps may read it meanwhile, and get a wrong hint. For Go that is a race, so the
// code is in assembly.
type order struct {
	n      uint32        // number of goroutines that have yielded
	left   atomic.Uint32 // how many more goroutines use the time that was told
	time   atomic.Int64
	told   atomic.Uint32 // n of the goroutine that told it
	_      [44]byte
	places [orderSize]place
}

var orders [maxProcs]atomic.Pointer[order]

// Turn is the position of a goroutine in the order of its P.
type Turn struct {
	of *order
	n  uint32
}

// procPin keeps the calling goroutine on its P, and other goroutines off it, until procUnpin. It
// returns the number of the P.
//
//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// GiveWay records that the caller is about to yield to goroutines that do the same, and what it
// touches when it goes on. It returns the time that another goroutine told lately, in nanoseconds,
// or 0. If it is 0 the caller reads the clock and tells the time.
func GiveWay(then, also, data Addr) (t Turn, time int64) {
	o := orders[procPin()%maxProcs].Load()
	if o == nil {
		procUnpin()
		return enlist(), 0
	}
	n, time := enter(o, then, also, data)
	procUnpin()
	return Turn{o, n}, time
}

// Tell tells the time, in nanoseconds, to some of the goroutines that yield next, unless passes
// take long.
func (t Turn) Tell(now int64) {
	o := t.of
	if o == nil {
		return
	}
	turns := int64(t.n - o.told.Swap(t.n))
	passed := now - o.time.Swap(now) // negative if others were faster
	left := uint32(0)
	if passed >= 0 && passed < timely/(sharing+1)*turns {
		left = sharing
	}
	o.left.Store(left)
}

// enlist makes an order for the P.
func enlist() Turn {
	o := new(order)
	orders[procPin()%maxProcs].CompareAndSwap(nil, o)
	procUnpin()
	return Turn{o, 0}
}

// GoOn makes the processor prefetch what a goroutine needs that goes on soon. The caller has
// yielded. GoOn does nothing unless the caller is one of a crowd.
func (t Turn) GoOn() {
	if t.of != nil {
		next(t.of, t.n+ahead)
	}
}

// enter records the caller. It returns the number of its position, and the time or 0.
//
//go:noescape
func enter(o *order, then, also, data Addr) (n uint32, time int64)

// next prefetches for the goroutine at position n, if enough have come since to be a crowd, and not
// so many that its entry has been reused.
//
//go:noescape
func next(o *order, n uint32) (fetched bool)
