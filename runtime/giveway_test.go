package runtime

import (
	stdruntime "runtime"
	"sync/atomic"
	"testing"
)

// TestGiveWay guards that a goroutine all of whose operations are done at once lets others run,
// long before Go's scheduler takes the processor from it.
func TestGiveWay(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		defer stdruntime.GOMAXPROCS(stdruntime.GOMAXPROCS(1))
		for range 5 {
			var ran atomic.Bool
			go func() { ran.Store(true) }()
			for i := 0; i < 4*giveWay && !ran.Load(); i++ { // the scheduler may pick this goroutine first
				r.l.Direct(1)
			}
			if !ran.Load() {
				t.Error("another goroutine that was ready has not run")
			}
		}
	})
}
