package runtime

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestTimer guards Start, Reset and Stop: armed or not, in callbacks and outside, for times past,
// present and far.
func TestTimer(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		var timer Timer
		if timer.Armed() || timer.Stop() {
			t.Error("a timer that was never started is armed")
		}
		fired := 0
		begin, d := int64(0), time.Duration(0)
		start := func(after time.Duration) {
			begin, d = r.l.Now(), after
			timer.Start(r.l, after, func(tm *Timer) Action {
				if tm != &timer {
					t.Error("called with another timer")
				}
				if early := int64(max(d, 0)) - (r.l.Now() - begin); early > 0 {
					t.Errorf("a timer of %v fires %v early", d, time.Duration(early))
				}
				if timer.Armed() {
					t.Error("armed in its own callback")
				}
				fired++
				return Disarm
			})
		}
		for _, d := range []time.Duration{0, 1, time.Microsecond, time.Millisecond, 5 * time.Millisecond, -1,
			-time.Hour, math.MinInt64} {
			fired = 0
			start(d)
			if !timer.Armed() {
				t.Errorf("%v: not armed", d)
			}
			if r.run(UntilDone); fired != 1 || timer.Armed() {
				t.Errorf("%v: fired %d times, armed %v", d, fired, timer.Armed())
			}
		}
		fired = 0
		for _, far := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, 290 * 365 * 24 * time.Hour} {
			start(far)
			for range 3 {
				r.run(NoWait)
			}
			if fired != 0 || !timer.Armed() {
				t.Errorf("a timer of %v has fired", far)
			}
			if !timer.Stop() || timer.Stop() || timer.Armed() {
				t.Error("Stop of an armed timer reports false, or of a stopped one true")
			}
		}
		r.run(UntilDone) // returns: nothing is armed
		start(time.Hour)
		begin, d = r.l.Now(), time.Millisecond
		if !timer.Reset(time.Millisecond) {
			t.Error("Reset of an armed timer reports false")
		}
		if r.run(UntilDone); fired != 1 {
			t.Errorf("moved forward: fired %d times", fired)
		}
		begin, d = r.l.Now(), 2*time.Millisecond
		if timer.Reset(2 * time.Millisecond) {
			t.Error("Reset of an idle timer reports true")
		}
		start(3 * time.Millisecond) // moves it
		if r.run(UntilDone); fired != 2 {
			t.Errorf("moved back: fired %d times", fired)
		}
		// Timers that deal with each other in callbacks.
		var a, b, c Timer
		never := func(*Timer) Action { t.Error("a timer that was stopped fires"); return Disarm }
		order := ""
		a.Start(r.l, time.Millisecond, func(*Timer) Action {
			order += "a"
			if !b.Stop() {
				t.Error("b was not armed")
			}
			c.Start(r.l, 0, func(*Timer) Action { order += "c"; return Disarm })
			a.Start(r.l, time.Microsecond, func(*Timer) Action { order += "A"; return Disarm })
			return Rearm // it is armed already: ignored
		})
		b.Start(r.l, time.Millisecond+100, never)
		if r.run(UntilDone); order != "acA" && order != "aAc" {
			t.Errorf("fired: %s", order)
		}
	})
}

// TestTimerPeriodic guards Rearm: the period counts from when the timer was due, or from now when
// that is past.
func TestTimerPeriodic(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		const d = 500 * time.Microsecond
		begin := r.l.Now()
		var due []int64
		var timer Timer
		timer.Start(r.l, d, func(tm *Timer) Action {
			due = append(due, r.l.Now()-begin)
			if len(due) < 20 {
				return Rearm
			}
			return Disarm
		})
		r.run(UntilDone)
		for i, at := range due {
			if at < int64(i+1)*int64(d) {
				t.Errorf("tick %d comes after %v, which is early", i+1, time.Duration(at))
			}
		}
		if len(due) != 20 {
			t.Errorf("%d ticks", len(due))
		}
		n := 0
		timer.Start(r.l, 0, func(*Timer) Action { // a period of 0 must not starve the rest
			if n++; n == 1 {
				r.submit(nop(), func(*Completion) Action { timer.Stop(); n = -1; return Disarm })
			}
			if n < 0 {
				return Disarm
			}
			return Rearm
		})
		r.run(UntilDone)
	})
}

// TestManyTimers guards that 100,000 timers all fire, none early, and those that were stopped not
// at all.
func TestManyTimers(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		n, span := scale(100_000), int64(30*time.Millisecond)
		if r.name() == "sim" {
			span = int64(100 * time.Hour)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		timers := make([]Timer, n)
		gone := make([]bool, n)
		fired := 0
		for i := range timers {
			timers[i].Start(r.l, time.Duration(rng.Int64N(span)), func(tm *Timer) Action {
				if gone[i] {
					t.Errorf("timer %d fires, but it was stopped or has fired", i)
				}
				gone[i] = true
				fired++
				if now, due := r.l.Now(), tm.node.When(); now < due {
					t.Errorf("timer %d fires %v early", i, time.Duration(due-now))
				}
				return Disarm
			})
		}
		stopped := 0
		for i := 0; i < n; i += 10 {
			if timers[i].Stop() {
				gone[i] = true
				stopped++
			}
		}
		for i := 5; i < n; i += 10 {
			timers[i].Reset(time.Duration(rng.Int64N(span)))
		}
		r.run(UntilDone)
		if fired != n-stopped {
			t.Errorf("%d of %d timers fired", fired, n-stopped)
		}
	})
}

// TestTimerOrder guards that timers fire in the order of their deadlines, to the microsecond,
// whatever order they were started in.
func TestTimerOrder(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		var last int64
		perm := rand.New(rand.NewPCG(3, 3)).Perm(500)
		timers := make([]Timer, len(perm))
		fired := 0
		for _, i := range perm {
			timers[i].Start(r.l, time.Duration(i)*20*time.Microsecond, func(tm *Timer) Action {
				if fired++; tm.node.When()>>10 < last>>10 {
					t.Errorf("a timer fires %v after one that was due later", time.Duration(last-tm.node.When()))
				}
				last = tm.node.When()
				return Disarm
			})
		}
		r.run(UntilDone)
		if fired != len(perm) {
			t.Errorf("%d timers fired", fired)
		}
	})
}

// TestAsync guards the wake-up from other goroutines: none is lost, whenever it comes, and they
// coalesce.
func TestAsync(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		var a Async
		calls := 0
		start := func(f func(*Async) Action) {
			t.Helper()
			if err := a.Start(r.l, f); err != nil {
				t.Fatal(err)
			}
		}
		a.Stop() // never started: nothing happens
		a.Notify()
		a.Notify()
		start(func(got *Async) Action {
			if got != &a {
				t.Error("called with another Async")
			}
			calls++
			return Disarm
		})
		if err := a.Start(r.l, nil); err != ErrInFlight {
			t.Errorf("second Start: %v", err)
		}
		if r.run(UntilDone); calls != 1 {
			t.Fatalf("notified before Start: %d calls", calls)
		}
		// Notified in its own callback.
		calls = 0
		start(func(*Async) Action {
			if calls++; calls < 10 {
				a.Notify()
				return Rearm
			}
			return Disarm
		})
		a.Notify()
		if r.run(UntilDone); calls != 10 {
			t.Fatalf("notified in its callback: %d calls", calls)
		}
		// From many goroutines, with a count to check: after the last Notify the callback sees all
		// of it.
		const senders = 8
		each := scale(5_000)
		var sent atomic.Int64
		seen := int64(0)
		calls = 0
		start(func(*Async) Action {
			calls++
			if seen = sent.Load(); seen == int64(senders*each) {
				return Disarm
			}
			return Rearm
		})
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				for range each {
					sent.Add(1)
					a.Notify()
				}
			})
		}
		r.run(UntilDone) // hangs if the last one is lost
		wg.Wait()
		t.Logf("%d notifications, %d calls", senders*each, calls)
		a.Stop()
		r.run(UntilDone)
		// One at a time, to a loop that sleeps.
		calls = 0
		start(func(*Async) Action {
			if calls++; calls == 200 {
				return Disarm
			}
			return Rearm
		})
		pace := make(chan struct{})
		wg.Go(func() {
			for range 200 {
				a.Notify()
				<-pace
			}
		})
		for calls < 200 {
			before := calls
			if r.run(Once); calls > before {
				pace <- struct{}{}
			}
		}
		wg.Wait()
		// Stopped from elsewhere.
		start(func(*Async) Action { t.Error("called"); return Rearm })
		wg.Go(a.Stop)
		r.run(UntilDone)
		wg.Wait()
	})
}

// TestAsyncFair guards that an Async that is hammered does not keep the loop from its operations.
func TestAsyncFair(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		var a Async
		calls, reads := 0, 0
		rd, wr := r.pipe()
		if err := a.Start(r.l, func(a *Async) Action {
			if calls++; reads == 20 {
				return Disarm
			}
			if calls == 10 {
				r.put(wr, 1)
			}
			a.Notify() // there is always another one
			return Rearm
		}); err != nil {
			t.Fatal(err)
		}
		r.submit(read(rd, make([]byte, 1)), func(*Completion) Action {
			if reads++; reads < 20 {
				r.put(wr, 1)
				return Rearm
			}
			return Disarm
		})
		a.Notify()
		r.run(UntilDone)
	})
}

// TestBlocking guards the pool: functions run off the loop's thread, no more at once than
// Options.PoolSize, a cancel withdraws those that have not started, and those that have are done
// anyway.
func TestBlocking(t *testing.T) {
	eachLoop(t, Options{PoolSize: 3}, func(t *testing.T, r *rig) {
		var now, most, ran atomic.Int64
		over := 0
		cs := make([]Completion, 30)
		for i := range cs {
			cs[i].Callback = func(c *Completion) Action {
				if over++; c.Err() != nil {
					t.Errorf("%v", c.Err())
				}
				return Disarm
			}
			if err := r.l.Blocking(&cs[i], func() {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(200 * time.Microsecond)
				ran.Add(1)
				now.Add(-1)
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.l.Blocking(&cs[0], func() {}); err != ErrInFlight {
			t.Errorf("Blocking with a Completion in flight: %v", err)
		}
		r.run(UntilDone)
		if over != 30 || ran.Load() != 30 || most.Load() > 3 {
			t.Errorf("%d callbacks, %d functions, %d at once", over, ran.Load(), most.Load())
		}
		t.Logf("%d at once", most.Load())

		release := make(chan struct{})
		running := make(chan struct{}, 3)
		var canceled, done int
		for i := range cs[:10] {
			cs[i].Callback = func(c *Completion) Action {
				switch c.Err() {
				case nil:
					done++
				case ErrCanceled:
					canceled++
				default:
					t.Errorf("%v", c.Err())
				}
				return Disarm
			}
			if err := r.l.Blocking(&cs[i], func() { running <- struct{}{}; <-release }); err != nil {
				t.Fatal(err)
			}
		}
		r.run(NoWait)
		for range 3 {
			<-running
		}
		for i := range cs[:10] {
			r.l.Cancel(&cs[i])
		}
		r.runUntil("those that wait are withdrawn", func() bool { return canceled == 7 })
		if done != 0 {
			t.Errorf("%d functions that run are reported over", done)
		}
		close(release)
		if r.run(UntilDone); done != 3 || canceled != 7 {
			t.Errorf("%d done, %d cancelled", done, canceled)
		}
		// Rearm runs the function again.
		rounds := 0
		cs[0].Callback = func(*Completion) Action {
			if rounds++; rounds < 5 {
				return Rearm
			}
			return Disarm
		}
		before := ran.Load()
		if err := r.l.Blocking(&cs[0], func() { ran.Add(1) }); err != nil {
			t.Fatal(err)
		}
		if r.run(UntilDone); ran.Load()-before != 5 {
			t.Errorf("ran %d times", ran.Load()-before)
		}
	})
}
