package runtime

import (
	stdruntime "runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
)

// TestLaterInBubble: a kernel that takes nothing is tried again in real time, also if a goroutine
// in a bubble of testing/synctest has found that: the bubble's clock stands still while the
// goroutine waits for its operation.
func TestLaterInBubble(t *testing.T) {
	var refusals atomic.Int32
	o := withShim(Options{}, func(s *shim) {
		be := s.Backend
		s.submit = func(batch []*backends.Completion) int {
			if refusals.Add(-1) >= 0 {
				return 0
			}
			return be.Submit(batch)
		}
	})
	eachDrive(t, o, func(t *testing.T, r *rig) {
		r.mustDo(nop())
		refusals.Store(5)
		synctest.Test(t, func(t *testing.T) {
			c := Completion{Op: nop()}
			if err := r.l.Do(t.Context(), &c); err != nil {
				t.Error(err)
			}
		})
	})
}

// TestGoexitInBubble: what a callback that ends its goroutine has left is done by a goroutine of no
// bubble.
func TestGoexitInBubble(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		if r.l.drive != driveScheduler {
			t.Skip("on this drive callbacks run on the loop's goroutine")
		}
		in := make(chan bool, 1)
		synctest.Test(t, func(t *testing.T) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				b := []*Completion{
					{Op: backends.Op{Code: backends.OpNop},
						Callback: func(*Completion) Action { stdruntime.Goexit(); return Disarm }},
					{Op: backends.Op{Code: backends.OpNop},
						Callback: func(*Completion) Action { in <- bubble.In(); return Disarm }},
				}
				r.l.mu.Lock() // so that both are over in one turn
				for _, c := range b {
					if err := r.l.Submit(c); err != nil {
						t.Error(err)
					}
				}
				r.l.mu.Unlock()
				r.l.turn()
			}()
			<-done
		})
		if <-in {
			t.Error("the callback behind it runs in the bubble")
		}
	})
}
