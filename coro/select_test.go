package coro

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends/sim"
	aiort "github.com/weirgo/weir/runtime"
)

// TestSelect guards each kind of case: there at once, and while others wait too; and that the
// others have not happened.
func TestSelect(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		rd, wr := r.pipe()
		r.do(func(task *Task) {
			in, full, empty := NewQueue[int](1), NewQueue[int](1), NewQueue[int](0)
			full.TrySend(7)
			var v, w int
			var ok bool
			var e Event
			ctx, cancel := context.WithCancelCause(context.Background())
			other := child(task, func(task *Task) { e.Wait(task) })
			buf := make([]byte, 1)
			read := r.never(rd)
			cases := []Case{RecvFrom(empty, &w, nil), SendTo(full, 8, nil), IsSet(&e), Ended(other), DoneOf(ctx),
				RecvFrom(in, &v, &ok), Done(nil, read), After(time.Hour * 1e5)}
			do := func(want int, f func()) {
				t.Helper()
				c := child(task, func(*Task) { f() })
				i, err := Select(task, cases...)
				if i != want || err != nil {
					t.Errorf("case %d, %v: want %d", i, err, want)
				}
				c.Wait(task)
			}
			do(0, func() { empty.TrySend(1) })
			if w != 1 {
				t.Errorf("received %d", w)
			}
			do(1, func() { full.TryRecv() })
			if x, _ := full.TryRecv(); x != 8 || full.Len() != 0 {
				t.Errorf("sent %d", x)
			}
			full.TrySend(7)
			do(5, func() { in.TrySend(5) })
			if v != 5 || !ok {
				t.Errorf("received %d, %v", v, ok)
			}
			if i, err := Select(task, After(time.Hour), After(time.Microsecond)); r.sim == nil && i != 1 || err != nil {
				t.Errorf("case %d, %v", i, err)
			}
			if r.sim != nil || runtime.GOOS != "windows" { // which has no operations on descriptors
				var err2 error
				read2 := op.Read(rd, buf, op.Stream)
				w2 := failing(task, func(task *Task) error { return task.Do(op.Write(wr, []byte{9}, op.Stream)) })
				if i, err := Select(task, IsSet(&e), Done(&err2, read2)); i != 1 || err != nil || read2.N != 1 ||
					read2.Err != nil || err2 != nil {
					t.Errorf("case %d, %v, read %d, %v", i, err, read2.N, read2.Err)
				}
				w2.Wait(task)
			}
			in.Close()
			if i, err := Select(task, RecvFrom(in, &v, &ok)); i != 0 || err != nil || ok {
				t.Errorf("closed: case %d, %v, %v", i, err, ok)
			}
			if i, err := Select(task, SendTo(in, 1, &ok)); i != 0 || err != nil || ok {
				t.Errorf("closed: case %d, %v, %v", i, err, ok)
			}
			cases[5] = IsSet(new(Event))
			cases[7] = IsSet(new(Event)) // a simulated clock does not wait for what another thread does
			do(4, func() { cancel(errors.New("x")) })
			cases[4] = IsSet(new(Event))
			do(2, func() { e.Set() })
			cases[2] = IsSet(new(Event))
			other.Wait(task)
			if i, err := Select(task, cases...); i != 3 || err != nil {
				t.Errorf("case %d, %v", i, err)
			}
			if read.InFlight() || read.Err == nil {
				t.Errorf("the operation that lost: in flight %v, %v", read.InFlight(), read.Err)
			}
			for what, line := range map[string]*waiter{"receivers": empty.receivers.first,
				"senders": full.senders.first} {
				if line != nil {
					t.Errorf("a Select that is over stands in the line of %s", what)
				}
			}
		})
		// Goroutines select too.
		q := NewQueue[int](0)
		var v int
		go q.Send(context.Background(), 3)
		if i, err := Select(context.Background(), RecvFrom(q, &v, nil), After(time.Hour)); i != 0 || v != 3 ||
			err != nil {
			t.Errorf("goroutine: case %d, %v, received %d", i, err, v)
		}
		if i, err := Select(context.Background(), RecvFrom(q, &v, nil), After(time.Microsecond)); i != 1 || err != nil {
			t.Errorf("goroutine: case %d, %v", i, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		if i, err := Select(ctx, RecvFrom(q, &v, nil)); i != -1 || err != context.Canceled {
			t.Errorf("goroutine: case %d, %v", i, err)
		}
	})
}

// TestSelectPairs guards Selects that can only meet each other: senders and receivers on several
// unbuffered queues, on two schedulers and in goroutines, with time limits. Every value that was
// sent is received once; no Select hangs.
func TestSelectPairs(t *testing.T) {
	two(t, func(t *testing.T, a, b *rig) {
		qs := []*Queue[int]{NewQueue[int](0), NewQueue[int](0), NewQueue[int](1)}
		n := scale(1500)
		seen := make([]atomic.Int32, 4*n)
		var sent atomic.Int64
		var left WaitGroup
		var stop Event
		send := func(ctx context.Context, who int) {
			rng := rand.New(rand.NewPCG(uint64(who), 1))
			for i := range n {
				v := who*n + i
				cases := []Case{SendTo(qs[0], v, nil), SendTo(qs[1], v, nil), SendTo(qs[2], v, nil)}
				rng.Shuffle(3, func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
				if i%5 == 0 {
					cases = append(cases[:2], After(time.Duration(rng.IntN(20))*time.Microsecond))
				}
				c, err := Select(ctx, cases...)
				if err != nil {
					t.Error(err)
				}
				if _, late := cases[c].(*afterCase); !late {
					seen[v].Add(10)
					sent.Add(1)
				}
			}
			left.Done()
		}
		recv := func(ctx context.Context, who int) {
			rng := rand.New(rand.NewPCG(uint64(who), 2))
			for {
				var v int
				cases := []Case{RecvFrom(qs[0], &v, nil), RecvFrom(qs[1], &v, nil), RecvFrom(qs[2], &v, nil)}
				rng.Shuffle(3, func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
				cases = append(cases, IsSet(&stop))
				if rng.IntN(5) == 0 {
					cases = append(cases, After(time.Duration(rng.IntN(20))*time.Microsecond))
				}
				c, err := Select(ctx, cases...)
				if err != nil {
					t.Error(err)
					return
				}
				switch {
				case c < 3:
					seen[v].Add(1)
				case c == 3:
					return
				}
			}
		}
		var wg sync.WaitGroup
		left.Add(4)
		for i := range 4 {
			switch i {
			case 0:
				wg.Go(func() { send(context.Background(), i) })
				wg.Go(func() { recv(context.Background(), i) })
			default:
				r := []*rig{a, b}[i%2]
				s, g := r.spawn(func(task *Task) { send(task, i) }), r.spawn(func(task *Task) { recv(task, i) })
				wg.Go(func() { r.wait(s); r.wait(g) })
			}
		}
		if err := left.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		stop.Set()
		wg.Wait()
		for v, ok := qs[2].TryRecv(); ok; v, ok = qs[2].TryRecv() {
			seen[v].Add(1)
		}
		for v := range seen {
			if c := seen[v].Load(); c != 0 && c != 11 {
				t.Errorf("value %d: sent %d times, received %d times", v, c/10, c%10)
			}
		}
		if sent.Load() == 0 {
			t.Error("nothing was sent")
		}
		for i, q := range qs {
			if q.senders.first != nil || q.receivers.first != nil {
				t.Errorf("somebody still stands in line at queue %d", i)
			}
		}
	})
}

// TestRace guards that the first one that is over wins, that the others are cancelled and over when
// Race returns, and that panics are not lost.
func TestRace(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			ended := 0
			loser := func(task *Task) (int, error) { err := forever(task); ended++; return 0, err }
			v, err := Race(task, loser, func(task *Task) (int, error) { return 5, task.Sleep(time.Millisecond) }, loser)
			if v != 5 || err != nil || ended != 2 {
				t.Errorf("%d, %v, %d losers are over", v, err, ended)
			}
			want := errors.New("x")
			if _, err := Race(task, loser, func(*Task) (int, error) { return 0, want }); err != want {
				t.Error(err)
			}
			func() {
				defer func() {
					if p, ok := recover().(*PanicError); !ok || p.Value != "boom" {
						t.Errorf("panic: %v", p)
					}
				}()
				Race(task, func(*Task) (int, error) { return 1, nil },
					func(task *Task) (int, error) { forever(task); panic("boom") })
			}()
		})
	})
}

// TestGroup guards the limit, that the first failure cancels the others, newest first, and what
// Wait returns.
func TestGroup(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			g := NewGroup(task)
			if err := g.Wait(); err != nil {
				t.Errorf("nothing: %v", err)
			}
			g.SetLimit(3)
			running, most, ran := 0, 0, 0
			for range 10 {
				err := g.Go(func(task *Task) error {
					running++
					most = max(most, running)
					err := task.Sleep(time.Microsecond)
					running--
					ran++
					return err
				}, Name("member"))
				if err != nil {
					t.Error(err)
				}
			}
			if err := g.Wait(); err != nil || most != 3 || ran != 10 {
				t.Errorf("%v, %d at one time, %d in all", err, most, ran)
			}

			g = NewGroup(task)
			want := errors.New("first")
			var order []int
			outside := failing(task, forever)
			for i := range 4 {
				g.Go(func(task *Task) error {
					if i == 2 {
						task.Sleep(time.Millisecond)
						return want
					}
					err := forever(task)
					order = append(order, i)
					return err
				})
			}
			if err := g.Wait(); err != want || len(order) != 3 || order[0] != 3 || order[2] != 0 {
				t.Errorf("%v, cancelled in the order %v", err, order)
			}
			if outside.Over() {
				t.Error("a child that is not of the group was cancelled")
			}
			late := error(nil)
			g.Go(func(task *Task) error { late = forever(task); return late })
			if err := g.Wait(); err != want || !errors.Is(late, ErrCanceled) {
				t.Errorf("after the failure: %v, %v", err, late)
			}

			g = NewGroup(task)
			g.Go(func(*Task) error { panic("boom") })
			g.Go(forever)
			func() {
				defer func() {
					if p, ok := recover().(*PanicError); !ok || p.Value != "boom" {
						t.Errorf("panic: %v", p)
					}
				}()
				g.Wait()
			}()

			g = NewGroup(task)
			g.Go(forever)
			g.Cancel()
			if err := g.Wait(); !errors.Is(err, ErrCanceled) {
				t.Errorf("Cancel: %v", err)
			}
			outside.task.cancel(ErrCanceled)
		})
	})
}

// TestBlocking guards that the thread goes on meanwhile, what comes of results, panics, Goexit and
// cancellation before and after the function has begun, and that its context is one for goroutines.
func TestBlocking(t *testing.T) {
	r := onSim(t, sim.Config{Seed: 1, Trace: -1}, aiort.Options{PoolSize: 1}, Options{})
	r.do(func(task *Task) {
		turns, free := 0, make(chan struct{})
		ticker := child(task, func(task *Task) {
			for range 100 {
				turns++
				task.Sleep(time.Microsecond)
			}
			close(free)
		})
		if err := task.Blocking(func() { <-free }); err != nil || turns != 100 {
			t.Errorf("%v after %d turns of another", err, turns)
		}
		ticker.Wait(task)
		want := errors.New("x")
		if v, err := Blocking(task, func(context.Context) (int, error) { return 3, want }); v != 3 || err != want {
			t.Error(v, err)
		}
		q := NewQueue[int](0)
		c := failing(task, func(task *Task) error { _, err := q.Recv(task); return err })
		if _, err := Blocking(task, func(ctx context.Context) (int, error) { return 0, q.Send(ctx, 1) }); err != nil {
			t.Errorf("Send with the context of a Blocking: %v", err)
		}
		c.Wait(task)
		for _, f := range []func(){func() { panic("pool") }, func() { explode(want) }} {
			func() {
				defer func() {
					if p, ok := recover().(*PanicError); !ok || len(p.Stack) == 0 {
						t.Errorf("panic: %v", p)
					}
				}()
				task.Blocking(f)
			}()
		}
		for range 3 { // more than there are in the pool: it must not lose any
			if err := task.Blocking(goexit); err != ErrGoexit {
				t.Errorf("Goexit: %v", err)
			}
		}
		// One that has not begun is withdrawn, one that has is waited for, and knows.
		var begun Event
		release := make(chan struct{})
		first := failing(task, func(task *Task) error {
			_, err := Blocking(task, func(ctx context.Context) (int,
				error) {
				begun.Set()
				<-ctx.Done()
				<-release
				return 0, want
			})
			return err
		})
		begun.Wait(task)
		second := failing(task, func(task *Task) error { return task.Blocking(func() { t.Error("has begun") }) })
		waiting(task, second)
		second.task.cancel(ErrCanceled)
		if _, err := second.Wait(task); err != ErrCanceled {
			t.Errorf("before it began: %v", err)
		}
		first.task.cancel(ErrCanceled)
		task.Sleep(time.Millisecond)
		if first.Over() {
			t.Error("was not waited for")
		}
		close(release)
		if _, err := first.Wait(task); err != want {
			t.Errorf("done anyway: %v", err)
		}
	})
}

// TestNoRoom guards tasks that submit more than the loop has room for: they wait in line, and can
// be cancelled there; a list that can never fit is an error.
func TestNoRoom(t *testing.T) {
	for seed := range uint64(scale(20)) {
		r := onSim(t, sim.Config{Seed: seed, Trace: -1}, aiort.Options{MaxInFlight: 2}, Options{})
		rd, _ := r.pipe()
		r.do(func(task *Task) {
			var blockers, hs []*Handle[int]
			for range 2 {
				h := failing(task, func(task *Task) error { return task.Do(op.Read(rd, make([]byte, 1), op.Stream)) })
				waiting(task, h)
				blockers = append(blockers, h)
			}
			task.Sleep(time.Microsecond)
			for i := range 10 {
				ops := []*op.Op{op.Nop(), op.Nop()}[:1+i%2]
				h := failing(task, func(task *Task) error {
					err := task.Do(ops...)
					if i == 0 && ops[0].Err != op.ErrCanceled {
						t.Errorf("cancelled in line: the operation has %v", ops[0].Err)
					}
					return err
				})
				waiting(task, h)
				hs = append(hs, h)
			}
			if n := r.Stats().Loop.InFlight; n < 2+10 {
				t.Errorf("%d in flight: nobody waits for room, this test tests nothing", n)
			}
			hs[0].task.cancel(ErrCanceled)
			hs[9].task.cancel(ErrCanceled)
			if _, err := hs[0].Wait(task); !errors.Is(err, ErrCanceled) {
				t.Errorf("cancelled in line: %v", err)
			}
			for _, b := range blockers {
				b.task.cancel(ErrCanceled)
			}
			for i, h := range hs {
				if _, err := h.Wait(task); (i == 0 || i == 9) != (err != nil) {
					t.Errorf("%d: %v", i, err)
				}
			}
			// A later waiter does not overtake one that waits for more room.
			var order []int
			one := failing(task, func(task *Task) error { return task.Do(op.Read(rd, make([]byte, 1), op.Stream)) })
			waiting(task, one)
			task.Sleep(time.Microsecond)
			first := failing(task, func(task *Task) error {
				err := task.Do(op.Nop(), op.Nop())
				order = append(order,
					1)
				return err
			})
			waiting(task, first)
			second := failing(task, func(task *Task) error {
				err := task.Do(op.Nop())
				order = append(order,
					2)
				return err
			})
			waiting(task, second)
			task.Sleep(time.Microsecond)
			one.task.cancel(ErrCanceled)
			first.Wait(task)
			second.Wait(task)
			if len(order) != 2 || order[0] != 1 {
				t.Errorf("served in the order %v", order)
			}
			if err := task.Do(op.Nop(), op.Nop(), op.Nop()); !errors.Is(err, aiort.ErrBusy) {
				t.Errorf("three where there is room for two: %v", err)
			}
		})
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
