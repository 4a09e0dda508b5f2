package runtime

// What the tests want of the standard library's runtime package.
import (
	stdruntime "runtime"
	"runtime/debug"
	"sync"
	"testing"
)

func collect() { stdruntime.GC() }

func keepAlive(v any) { stdruntime.KeepAlive(v) }

// setProcs sets GOMAXPROCS for the rest of a test.
func setProcs(t testing.TB, n int) {
	old := stdruntime.GOMAXPROCS(n)
	t.Cleanup(func() { stdruntime.GOMAXPROCS(old) })
}

// mallocs counts the heap objects ever allocated.
func mallocs() uint64 {
	var m stdruntime.MemStats
	stdruntime.ReadMemStats(&m)
	return m.Mallocs
}

// noGC keeps the garbage collector from running for the rest of a test.
func noGC(t testing.TB) {
	old := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(old) })
}

// pressGC runs the garbage collector without a pause for the rest of a test.
func pressGC(t testing.TB) {
	old := debug.SetGCPercent(1)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				stdruntime.GC()
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
		debug.SetGCPercent(old)
	})
}

// goexit ends the calling goroutine.
func goexit() { stdruntime.Goexit() }
