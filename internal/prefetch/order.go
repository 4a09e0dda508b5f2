//go:build gc && (amd64 || arm64) && !go1.27 && !weir_noprefetch && !weir_nolinkname

package prefetch

import (
	"sync/atomic"
	_ "unsafe" // for go:linkname
)

const (
	// crowd is from how many goroutines on that take turns what each needs does not stay in the
	// caches. With fewer, giving way and going on take 7 ns and do nothing.
	crowd = 128

	// ahead is for the how manieth of those who go on next one fetches.
	ahead = 2

	// orderSize is how many places an order remembers: in a larger crowd nobody knows who comes
	// next. Four times as many were measured, too: with 512 goroutines the order itself took 2 %
	// then.
	orderSize = 1 << 10

	// sharing is how many share the time that one has told. A look at the clock costs 40 ns, of the
	// 500 that a turn takes beside its system calls.
	sharing = 7

	// timely is how many nanoseconds old the time may be that the last of them gets, if turns take
	// as long as those before. After a pause it is older: those who were still to share it get it
	// all the same.
	timely = 200_000

	// maxProcs is for how many Ps there are orders. With more of them some share one, and fetch for
	// the wrong ones.
	maxProcs = 1 << 8
)

// deepLines is how many lines of a stack are fetched at most, by measurement: net/http touches so
// many. Of coroutines it is fewer, see Goroutine.Fetch, since those are fetched many at a time.
const deepLines = 36

// place is a goroutine that has given way, and what it touches when it goes on.
type place struct {
	goroutine        Goroutine
	end              uintptr // of its stack, where it began
	then, also, data Addr
}

// order is how goroutines have given way on a P (a processor of Go's scheduler), and so how they go
// on. Who is pinned to the P adds to it. Others may read meanwhile, and get a hint that is wrong:
// for Go that is a race, so it is done in assembly.
type order struct {
	n      uint32        // counts those who have given way
	left   atomic.Uint32 // of those how many more take the time for what it was
	time   atomic.Int64
	told   atomic.Uint32 // n of the one who told it
	_      [44]byte
	places [orderSize]place
}

var orders [maxProcs]atomic.Pointer[order]

// Turn is a goroutine's place in the order in which those of a P have given way.
type Turn struct {
	of *order
	n  uint32
}

// procPin keeps the calling goroutine on its P, and others from it, until procUnpin. It returns the
// number of the P.
//
//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// GiveWay notes that the caller is about to let others run, who do the same, and what it touches
// when it goes on. It returns the time that somebody told lately, in nanoseconds, or 0: then the
// caller looks at the clock, and tells it.
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

// Tell says what the time is, in nanoseconds, to some of those who give way next, unless turns take
// long.
func (t Turn) Tell(now int64) {
	o := t.of
	if o == nil {
		return
	}
	turns := int64(t.n - o.told.Swap(t.n))
	passed := now - o.time.Swap(now) // less than nothing if others were faster
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

// GoOn has the processor fetch what somebody needs whose turn comes soon. The caller has given way,
// and is one of a crowd, or nothing happens.
func (t Turn) GoOn() {
	if t.of != nil {
		next(t.of, t.n+ahead)
	}
}

// enter notes where the caller is. It returns the number of the place, and the time or 0.
//
//go:noescape
func enter(o *order, then, also, data Addr) (n uint32, time int64)

// next fetches for the one at place n, if so many have come since that they are a crowd, and not so
// many that others have his place.
//
//go:noescape
func next(o *order, n uint32) (fetched bool)
