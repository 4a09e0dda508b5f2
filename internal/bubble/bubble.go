// Package bubble is for code that runs inside the bubbles of testing/synctest and also serves
// callers outside. In a bubble the clocks of package time are fake. A goroutine belongs to the
// bubble of the goroutine that started it, and a bubble is over only when all of its goroutines
// are. A channel or timer that was made in a bubble must not be used outside: that ends the
// program. What a loop owns belongs to no bubble, whichever goroutine makes it.
//
// Outside of bubbles each function is the plain statement and a look at the clock.
package bubble

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirgo/weir/internal/sys"
)

// In reports whether the caller is in a bubble.
func In() bool { return sys.InBubble() }

// Go is the statement go f() outside of every bubble.
func Go(f func()) {
	if !In() {
		go f()
		return
	}
	mu.Lock()
	defer mu.Unlock()
	if !serving {
		start()
	}
	jobs <- f
}

// GoIn is g.Add(1) and go f() outside of every bubble, for an f that calls g.Done at its end.
func GoIn(g *sync.WaitGroup, f func()) {
	if !In() {
		g.Add(1)
		go f()
		return
	}
	Do(func() { g.Add(1) })
	Go(f)
}

// Do calls f outside of every bubble and waits for it. If f panics, Do panics.
func Do(f func()) {
	if !In() {
		f()
		return
	}
	var over sync.Mutex // a mutex, because waiting for one stops the bubble's clock, and a mutex belongs to no bubble
	var panicked any
	over.Lock()
	Go(func() {
		defer over.Unlock()
		defer func() { panicked = recover() }()
		f()
	})
	over.Lock()
	if panicked != nil {
		panic(panicked)
	}
}

// MakeChan is make(chan T, size) outside of every bubble.
func MakeChan[T any](size int) (c chan T) {
	if !In() {
		return make(chan T, size)
	}
	Do(func() { c = make(chan T, size) })
	return c
}

// Reset is t.Reset(d), with d in real time, for a timer that was made outside of every bubble.
func Reset(t *time.Timer, d time.Duration) {
	if !In() {
		t.Reset(d)
		return
	}
	Do(func() { t.Reset(d) })
}

// Sleep is time.Sleep in real time.
func Sleep(d time.Duration) { Do(func() { time.Sleep(d) }) }

var (
	mu      sync.Mutex
	serving bool                // guarded by mu
	jobs    = make(chan func()) // made in no bubble
)

// idle is how long the goroutine that starts others waits for the next request.
const idle = 100 * time.Millisecond

// start starts the goroutine that starts others. The only way out of a bubble that testing/synctest
// promises is a cleanup, which the garbage collector runs.
func start() {
	var started atomic.Bool
	drop(&started)
	for !started.Load() {
		runtime.GC()
		runtime.Gosched()
	}
	serving = true
}

//go:noinline
func drop(started *atomic.Bool) {
	type garbage struct{ _ *int }
	runtime.AddCleanup(&garbage{new(int)}, func(started *atomic.Bool) {
		go serve()
		started.Store(true)
	}, started)
}

func serve() {
	for {
		wait := time.NewTimer(idle)
		select {
		case f := <-jobs:
			go f()
		case <-wait.C:
			if mu.TryLock() { // or there is another one
				serving = false
				mu.Unlock()
				return
			}
		}
		wait.Stop()
	}
}
