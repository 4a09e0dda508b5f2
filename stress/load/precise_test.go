package load

import (
	"context"
	"sync"
	"testing"
	"time"
)

// A precise wait is not shorter than it should be, also where there are more than there are timers,
// and the end of wake ends a long one.
func TestPrecise(t *testing.T) {
	p := NewPrecise()
	defer p.Close()
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			for _, d := range []time.Duration{0, time.Duration(i) * time.Microsecond, 5 * time.Millisecond} {
				start := time.Now()
				if p.Sleep(t.Context(), t.Context(), d); time.Since(start) < d {
					t.Errorf("a wait of %v took %v", d, time.Since(start))
				}
			}
		})
	}
	all.Wait()
	wake, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	p.Sleep(t.Context(), wake, time.Hour)
}
