package runtime

import (
	stdruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// TestGathering guards that a goroutine lets others run before it hands operations over, for as
// long as they bring operations of their own, and less and less often when they do not.
func TestGathering(t *testing.T) {
	defer stdruntime.GOMAXPROCS(stdruntime.GOMAXPROCS(1))
	const n = 400
	var g gathering
	round := func(brings bool) (waited int) {
		for range n {
			var ran atomic.Bool
			var wg sync.WaitGroup
			wg.Go(func() {
				if brings {
					g.join()
				}
				ran.Store(true)
			})
			g.yield()
			if ran.Load() {
				waited++
			}
			wg.Wait()
		}
		return waited
	}
	if waited := round(true); waited < n*3/4 {
		t.Errorf("it waited for %d of %d that brought operations", waited, n)
	}
	if waited := round(false); waited > n/10 {
		t.Errorf("it waited for %d of %d that brought none", waited, n)
	}
	if waited := round(true); waited < n/2 {
		t.Errorf("it waited for %d of %d that brought operations again", waited, n)
	}
}

// TestGatheringTogether guards that one goroutine at a time waits for others.
func TestGatheringTogether(t *testing.T) {
	var g gathering
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				g.yield()
				g.join()
			}
		})
	}
	wg.Wait()
	if g.busy.Load() {
		t.Error("it waits for ever")
	}
}

// TestJoining guards that each way to submit tells the goroutine that waits for others.
func TestJoining(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		r.submit(nop(), func(*Completion) Action { return Disarm })
		for what, submit := range map[string]func() error{
			"Submit": func() error { r.submit(nop(), func(*Completion) Action { return Disarm }); return nil },
			"SubmitBatch": func() error {
				b := NewBatch()
				b.Add(&Completion{Op: nop()})
				return r.l.SubmitBatch(b, func(*Batch) {})
			},
		} {
			r.l.gathering.joined.Store(false)
			if err := submit(); err != nil || !r.l.gathering.joined.Load() {
				t.Errorf("%s: joined %v, %v", what, r.l.gathering.joined.Load(), err)
			}
		}
		r.run(UntilDone)
	})
}
