package runtime

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"

	"github.com/weirgo/weir/backends"
)

// mustNotAllocate checks that f, which does n operations, allocates nothing in steady state. A few
// objects are forgiven: other goroutines of the process make some now and then.
func mustNotAllocate(r *rig, what string, n int, f func()) {
	r.Helper()
	for range 3 {
		f()
	}
	best := ^uint64(0)
	for range 5 {
		before := mallocs()
		f()
		if best = min(best, mallocs()-before); best <= uint64(n)/200+2 {
			return
		}
	}
	r.Errorf("%s: %d objects allocated for %d operations", what, best, n)
}

// TestNoAllocations guards that in steady state no operation allocates, on either drive: transfers,
// sleeps, callbacks and timers.
func TestNoAllocations(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	if foreignRing {
		t.Skip("giouring allocates")
	}
	const n = 1000
	bg := context.Background()
	for _, d := range picked(systemDrives()) {
		t.Run(d.name, func(t *testing.T) {
			r := startRuntime(t, d, Options{})
			noGC(t) // which empties pools
			rd, wr := r.pipe()
			a, b := r.socketPair()
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			for _, pair := range [][2]backends.Op{
				{write(wr, make([]byte, 1)), read(rd, make([]byte, 1))},
				{{Code: backends.OpSend, FD: a, Buf: make([]byte, 1)}, {Code: backends.OpRecv, FD: b,
					Buf: make([]byte, 1)}},
			} {
				out, in := &Completion{Op: pair[0]}, &Completion{Op: pair[1]}
				mustNotAllocate(r, out.Op.Code.String()+" and "+in.Op.Code.String(), 2*n, func() {
					for range n {
						if r.l.Do(bg, out) != nil || r.l.Do(ctx, in) != nil {
							t.Error("transfer failed")
						}
					}
				})
			}
			mustNotAllocate(r, "sleep", n/10, func() {
				for range n / 10 {
					c := r.l.Borrow()
					c.Op = timeout()
					c.SetDeadline(r.l.Now() + int64(10*time.Microsecond))
					if r.l.Do(bg, c) != nil {
						t.Error("sleep failed")
					}
					r.l.Return(c)
				}
			})
			mustNotAllocate(r, "deadlines that do not pass", 2*n, func() {
				out, in := r.l.Borrow(), r.l.Borrow()
				for range n {
					out.Op, in.Op = write(wr, pingBuf), read(rd, pongBuf)
					out.SetDeadline(r.l.Now() + int64(time.Hour))
					in.SetDeadline(r.l.Now() + int64(time.Hour))
					if r.l.Do(bg, out) != nil || r.l.Do(bg, in) != nil {
						t.Error("transfer failed")
					}
				}
				r.l.Return(out)
				r.l.Return(in)
			})
			// Many goroutines at once, which live on between the rounds.
			const workers = 32
			start, done := make(chan struct{}), make(chan struct{})
			var wg sync.WaitGroup
			var pairs [workers][2]int
			for i := range workers {
				pairs[i][0], pairs[i][1] = r.socketPair()
			}
			for i := range workers {
				wg.Go(func() {
					a, b := pairs[i][0], pairs[i][1]
					out := &Completion{Op: backends.Op{Code: backends.OpSend, FD: a, Buf: make([]byte, 1)}}
					in := &Completion{Op: backends.Op{Code: backends.OpRecv, FD: b, Buf: make([]byte, 1)}}
					for range start {
						for range n / workers {
							if r.l.Do(bg, out) != nil || r.l.Do(bg, in) != nil {
								t.Error("transfer failed")
							}
						}
						done <- struct{}{}
					}
				})
			}
			mustNotAllocate(r, "send and recv of many goroutines", n/workers*workers*2, func() {
				for range workers {
					start <- struct{}{}
				}
				for range workers {
					<-done
				}
			})
			close(start)
			wg.Wait()
		})
	}
	for _, d := range picked(systemLoops()) { // the simulated kernel allocates itself
		t.Run("Callback/"+d.name, func(t *testing.T) {
			r := startLoop(t, d, Options{})
			noGC(t)
			left := 0
			again := func() Action {
				if left--; left > 0 {
					return Rearm
				}
				return Disarm
			}
			var timer Timer
			tick := func(*Timer) Action { return again() }
			mustNotAllocate(r, "timer", n/10, func() {
				left = n / 10
				timer.Start(r.l, time.Microsecond, tick)
				r.run(UntilDone)
			})
			var async Async
			wake := func(a *Async) Action { a.Notify(); return again() }
			mustNotAllocate(r, "async", n, func() {
				left = n
				async.Notify()
				if err := async.Start(r.l, wake); err != nil {
					t.Fatal(err)
				}
				r.run(UntilDone)
			})
			c := &Completion{Op: nop(), Callback: func(*Completion) Action { return again() }}
			mustNotAllocate(r, "nop", n, func() {
				left = n
				if err := r.l.Submit(c); err != nil {
					t.Fatal(err)
				}
				r.run(UntilDone)
			})
			rd, wr := r.pipe()
			out := &Completion{Op: write(wr, make([]byte, 1)), Callback: func(*Completion) Action { return again() }}
			in := &Completion{Op: read(rd, make([]byte, 1)), Callback: func(*Completion) Action {
				if left > 1 {
					return Rearm
				}
				return Disarm
			}}
			mustNotAllocate(r, "write and read", n, func() {
				left = n
				for _, c := range []*Completion{in, out} {
					if err := r.l.Submit(c); err != nil {
						t.Fatal(err)
					}
				}
				for out.InFlight() {
					r.run(Once)
				}
				r.l.Cancel(in)
				r.run(UntilDone)
			})
		})
	}
}

var pingBuf, pongBuf = make([]byte, 1), make([]byte, 1)
