package coro

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends/sim"
	"github.com/weirgo/weir/internal/prefetch"
	aiort "github.com/weirgo/weir/runtime"
)

// seated are the goroutines of the task's scheduler that are parked, by their seats: all but that
// of the task, which runs. It fails if there are two in one seat.
func seated(t *testing.T, task *Task) map[*seat]bool {
	s := task.s
	seats := map[*seat]bool{}
	sits := func(who string, c *seat) {
		if c == nil || seats[c] {
			t.Errorf("%s sits nowhere, or where another one does", who)
		}
		seats[c] = true
	}
	sits("the loop", s.at)
	for _, w := range s.idle {
		sits("an idle worker", w.at)
	}
	if s.corpse != nil {
		sits("a corpse", s.corpse.at)
		if s.corpse.at != &s.corpse.seat {
			t.Error("a corpse is not in its own seat")
		}
	}
	var walk func(f *family)
	walk = func(f *family) {
		for c := f.youngest; c != nil; c = c.older {
			if c != task && c.worker != nil {
				sits("a task", c.at)
				over := prefetch.OfFunc(&c.at.next)
				if c.at.odd {
					over = prefetch.OfFunc(&c.at.yield)
				}
				if c.over != over && c.over != 0 { // 0: it has not run yet
					t.Error("what is fetched early is not what sets the task going")
				}
			}
			walk(&c.family)
		}
	}
	walk(&s.family)
	return seats
}

// TestSeats guards that each goroutine of a scheduler that does not run is parked in a seat of its
// own, and that each seat holds a goroutine, in whatever ways tasks end and whatever worker ends
// with them; and that no goroutine stays behind.
func TestSeats(t *testing.T) {
	before := runtime.NumGoroutine()
	away := 0 // how often the loop has gone on in a seat that was another worker's
	for seed := range uint64(scale(100)) {
		rng := rand.New(rand.NewPCG(seed, 2))
		r := onSim(t, sim.Config{Seed: seed, Trace: -1}, aiort.Options{}, Options{Budget: 1 + rng.IntN(8),
			IdleWorkers: rng.IntN(4) - 1})
		left := 200
		var grow func(task *Task)
		grow = func(task *Task) {
			for n := rng.IntN(6); n > 0; n-- {
				switch rng.IntN(5) {
				case 0:
					if left--; left > 0 {
						h := child(task, grow)
						if rng.IntN(2) == 0 {
							func() {
								defer func() { recover() }()
								h.Wait(task)
							}()
						}
					}
				case 1:
					task.Do(op.Nop())
				default:
					task.Yield()
				}
				if task.cancelled() != nil {
					return
				}
				seats := seated(t, task)
				if w := task.worker; w.at != task.at && w.at != &w.seat {
					away++
				}
				if rng.IntN(8) == 0 && task.s.idle != nil {
					for w := range workersOf(task.s) {
						if !seats[&w.seat] {
							t.Error("nobody sits in the seat of a worker that is not over")
						}
					}
				}
			}
			switch rng.IntN(7) {
			case 0:
				runtime.Goexit()
			case 2:
				defer func() { panic("y") }()
				runtime.Goexit()
			case 1:
				panic("x")
			}
		}
		h := r.spawn(func(task *Task) {
			for range 8 {
				hs := []*Handle[int]{child(task, grow), child(task, grow), child(task, grow)}
				for _, h := range hs {
					func() {
						defer func() { recover() }()
						h.Wait(task)
					}()
				}
				seated(t, task)
			}
		})
		func() {
			defer func() { recover() }() // the panic of a grandchild whose result was not waited for
			h.Wait(context.Background())
		}()
		r.Close()
	}
	if away == 0 {
		t.Error("no goroutine ever sat elsewhere than where it began: this test tests nothing")
	}
	runtime.Gosched()
	if n := runtime.NumGoroutine(); n > before+2 {
		t.Errorf("%d goroutines, and %d before", n, before)
	}
}

// workersOf are the workers of a scheduler that are not over, but for those of tasks that are.
func workersOf(s *Scheduler) map[*worker]bool {
	all := map[*worker]bool{}
	for _, w := range s.idle {
		all[w] = true
	}
	var walk func(f *family)
	walk = func(f *family) {
		for c := f.youngest; c != nil; c = c.older {
			if c.worker != nil {
				all[c.worker] = true
			}
			walk(&c.family)
		}
	}
	walk(&s.family)
	return all
}

// TestCancelUnsubmitted guards tasks that are cancelled after they have parked for an operation and
// before the loop's goroutine had a chance to submit it: it is not submitted, and the task can wait
// for others.
func TestCancelUnsubmitted(t *testing.T) {
	r := onSim(t, sim.Config{Seed: 1, Trace: -1}, aiort.Options{}, Options{})
	rd, _ := r.pipe()
	cause := errors.New("enough")
	r.do(func(task *Task) {
		var hs []*Handle[int]
		for i := range 3 {
			hs = append(hs, failing(task, func(task *Task) error {
				read := op.Read(-1, make([]byte, 1), op.Stream)
				read.N = 7   // what it did before
				task.Yield() // has a worker from here on, so that the parent comes next without the loop
				read.SetFD(rd)
				err := task.Do(read)
				if read.N != 0 || read.Err != cause {
					t.Errorf("%d: the operation has %d, %v", i, read.N, read.Err)
				}
				read.N, read.Err = 7, nil
				if err := task.Do(read); err != cause || read.N != 0 || read.Err != cause {
					t.Errorf("%d: once more: %v, and the operation has %d, %v", i, err, read.N, read.Err)
				}
				task.Mask(func() {
					if err := task.Do(op.Nop(), op.Nop()); err != nil {
						t.Errorf("%d: then: %v", i, err)
					}
				})
				return err
			}))
		}
		task.Yield()
		task.Yield()
		submitted := r.Stats().Loop.Ops["read"]
		for i, h := range hs {
			if s := task.s; s.fresh.empty() || h.task.state != stateWaiting || h.task.op.flying {
				t.Fatalf("%d: submitted, or not parked: this test tests nothing", i)
			}
		}
		for _, i := range []int{1, 0, 2} {
			hs[i].task.cancel(cause)
		}
		if !task.s.fresh.empty() {
			t.Error("tasks that are cancelled are to submit something")
		}
		for i, h := range hs {
			if _, err := h.Wait(task); !errors.Is(err, cause) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if n := r.Stats().Loop.Ops["read"]; n != submitted {
			t.Errorf("%d reads submitted, and %d before", n, submitted)
		}
	})
}
