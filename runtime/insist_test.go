package runtime

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/sim"
)

// TestCancelLost: a cancellation that the kernel loses is asked again, until the operation is over.
// A worker that has moved a part and goes on to wait takes the signal of a cancellation for nothing
// (a write to a full pipe, Linux 6.1).
func TestCancelLost(t *testing.T) {
	for _, p := range []float64{0.5, 0.9} {
		r := startLoop(t, lane{"sim", "", func(testing.TB) kernel {
			return &simKernel{cfg: sim.Config{Seed: 3, Faults: sim.Faults{LostCancel: p}, Trace: -1}}
		}}, Options{})
		rd, _ := r.pipe()
		const n = 20
		over := 0
		for i := range n {
			c := r.submit(read(rd, make([]byte, 1)), func(c *Completion) Action {
				if over++; c.Err() == nil {
					t.Error("a read of nothing has a result")
				}
				return Disarm
			})
			if i%2 == 0 {
				c.SetDeadline(r.l.Now() + int64(time.Millisecond))
			} else {
				r.l.Cancel(c)
			}
		}
		r.run(UntilDone)
		if over != n {
			t.Errorf("%d of %d reads are over", over, n)
		}
		for range 3 { // what is over is not asked again, and then nothing is to be done
			c := &Completion{Op: backends.Op{Code: backends.OpTimeout},
				Callback: func(*Completion) Action { return Disarm }}
			c.SetDeadline(r.l.Now() + int64(2*time.Second))
			if err := r.l.Submit(c); err != nil {
				t.Fatal(err)
			}
			r.run(UntilDone)
		}
		if r.l.insist.timer.node.Pending() || len(r.l.insist.asked) != 0 {
			t.Errorf("%d are still looked after", len(r.l.insist.asked))
		}
	}
}

// TestCancelsLostAtClose: a loop can be closed though its kernel loses most cancellations.
func TestCancelsLostAtClose(t *testing.T) {
	r := startLoop(t, lane{"sim", "", func(testing.TB) kernel {
		return &simKernel{cfg: sim.Config{Seed: 4, Faults: sim.Faults{LostCancel: 0.9}, Trace: -1}}
	}}, Options{})
	rd, _ := r.pipe()
	n := 0
	for range 20 {
		r.submit(read(rd, make([]byte, 1)), count(&n))
	}
	r.run(NoWait)
	if err := r.close(); err != nil || n != 20 {
		t.Errorf("Close: %v; %d of 20 are over", err, n)
	}
}

// TestNoMemory: a kernel that takes nothing, because it has no memory for requests, does not make a
// loop try with its lock held. Deadlines of other operations, say, need the lock. When there is
// memory again all goes on.
func TestNoMemory(t *testing.T) {
	for _, how := range []string{"queue full", "queued"} {
		t.Run(how, func(t *testing.T) {
			var short atomic.Bool
			o := withShim(Options{}, func(s *shim) {
				be := s.Backend
				if how == "queue full" {
					s.submit = func(batch []*backends.Completion) int {
						if short.Load() {
							return 0
						}
						return be.Submit(batch)
					}
				}
				s.poll = func(dst []backends.Event, deadline int64) (int, error) {
					if short.Load() {
						if deadline != backends.NoWait {
							time.Sleep(time.Millisecond)
						}
						return 0, nil
					}
					return be.Poll(dst, deadline)
				}
			})
			eachDrive(t, o, func(t *testing.T, r *rig) {
				r.mustDo(nop())
				short.Store(true)
				done := make(chan error)
				go func() {
					_, err := r.do(context.Background(), nop())
					done <- err
				}()
				r.settled(1)
				if r.l.drive == driveScheduler {
					for range 3 {
						r.eventually("the lock is free", func() bool {
							if !r.l.mu.TryLock() {
								return false
							}
							r.l.mu.Unlock()
							return true
						})
						time.Sleep(time.Millisecond)
					}
				}
				short.Store(false)
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
