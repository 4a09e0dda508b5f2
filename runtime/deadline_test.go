package runtime

import (
	"context"
	"math/rand/v2"
	"os"
	stdruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestDeadlineRace guards the same for deadlines that pass while data arrives.
func TestDeadlineRace(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		ctx := func(d *duel) (context.Context, context.CancelFunc) {
			d.c.SetDeadline(r.l.Now() + rand.Int64N(200_000)) // up to 200 µs
			return background()
		}
		runDuels(r, 64, scale(20_000), ctx, os.ErrDeadlineExceeded, func(d *duel, rng *rand.Rand) {
			if rng.IntN(8) == 0 {
				d.write(1)
			} else {
				time.Sleep(20 * time.Microsecond)
			}
		})
	})
}

// TestSetDeadlineFromMany guards that any goroutine may move deadlines while the operation is in
// flight, and that the last setting wins.
func TestSetDeadlineFromMany(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		ctx := func(*duel) (context.Context, context.CancelFunc) { return background() }
		runDuels(r, 16, scale(8_000), ctx, os.ErrDeadlineExceeded, func(d *duel, rng *rand.Rand) {
			var movers sync.WaitGroup
			for i := range 3 {
				movers.Go(func() {
					for k := range 20 {
						now := r.l.Now()
						d.c.SetDeadline([]int64{now - 1, now + 50_000, now + 3600e9, 0, now + 1000}[(i*7+k*3)%5])
					}
				})
			}
			if rng.IntN(2) == 0 {
				stdruntime.Gosched() // where there is one thread, the movers have not begun
			}
			d.write(1)
			movers.Wait()
		})

		if r.name() == "sim" { // whose clock runs to the next deadline when nothing else happens
			return
		}
		// Whatever was set before, what is set last decides.
		rd, _ := r.pipe()
		c := &Completion{Op: read(rd, make([]byte, 1))}
		for i := range scale(500) {
			got := make(chan error, 1)
			go func() { got <- r.l.Do(context.Background(), c) }()
			var movers sync.WaitGroup
			for k := range 4 {
				movers.Go(func() {
					for range 10 {
						c.SetDeadline(r.l.Now() + 3600e9 + int64(k))
						c.SetDeadline(0)
					}
				})
			}
			movers.Wait()
			select {
			case err := <-got:
				t.Fatalf("round %d: the operation ended with %v, but its deadline was never near", i, err)
			default:
			}
			c.SetDeadline(r.l.Now())
			if err := <-got; err != os.ErrDeadlineExceeded {
				t.Fatalf("round %d: %v, want os.ErrDeadlineExceeded", i, err)
			}
			c.SetDeadline(0)
		}
	})
}

// TestSetDeadlineDuringSubmit guards that any goroutine may call SetDeadline, Cancel and Retire at
// any time, which includes while the operation is being submitted, for the first time or again, and
// when it is just over; that a Cancel which has been answered does not hit the operation that
// follows; and that no deadline outlives its operation.
func TestSetDeadlineDuringSubmit(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		const workers = 8
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for round := range scale(20_000) / workers {
					c := &Completion{Op: nop()}
					far := r.l.Now() + 3600e9
					var others sync.WaitGroup
					move := func() {
						for i := range int64(4) {
							c.SetDeadline(far + i)
						}
					}
					others.Go(move)
					if err := r.l.Do(context.Background(), c); err != nil {
						t.Errorf("round %d: %v", round, err)
						return
					}
					r.l.Cancel(c)
					others.Go(move)
					if err := r.l.Do(context.Background(), c); err != nil {
						t.Errorf("round %d, second time: %v", round, err)
						return
					}
					others.Wait()
				}
			})
		}
		wg.Wait()
		if n := r.deadlines(); n != 0 {
			t.Errorf("%d deadlines are left of operations that are over", n)
		}
	})
}

// TestDeadlineAfterTheEnd guards against a deadline that is set when the operation is over and its
// waiter has yet to be told: it must not stay behind and end a later operation.
func TestDeadlineAfterTheEnd(t *testing.T) {
	for _, d := range picked(systemDrives()) {
		if d.drive != DriveScheduler {
			continue // on the thread drive no other goroutine gets in between
		}
		var c Completion
		var now func() int64
		var meddle atomic.Bool
		r := startRuntime(t, d, withShim(Options{}, func(s *shim) {
			now = s.Backend.Now
			s.after = func() bool {
				if c.state() == stateQueued || !meddle.Swap(false) {
					return false
				}
				c.SetDeadline(now() + int64(time.Millisecond))
				return true // another tick
			}
		}))
		rd, wr := r.pipe()
		for range 5 {
			c.Op = nop()
			meddle.Store(true)
			if err := r.l.Do(context.Background(), &c); err != nil {
				t.Fatal(err)
			}
			if meddle.Load() {
				t.Fatal("no deadline was set: this test has tested nothing")
			}
			if n := r.deadlines(); n != 0 {
				t.Errorf("%d deadlines are left of operations that are over", n)
			}
			c.SetDeadline(0)
			c.Op = read(rd, make([]byte, 1))
			got := make(chan error, 1)
			go func() { got <- r.l.Do(context.Background(), &c) }()
			r.settled(1)
			time.Sleep(3 * time.Millisecond)
			r.put(wr, 1)
			if err := <-got; err != nil {
				t.Errorf("a read without a deadline: %v", err)
			}
		}
	}
}

// deadlines counts those that the loop waits for.
func (r *rig) deadlines() (n int) {
	r.Helper()
	if r.l.drive == driveScheduler {
		r.l.mu.Lock()
		n = r.l.wheel.Len()
		r.l.mu.Unlock()
		r.l.turn()
		return n
	}
	done := make(chan struct{})
	if err := r.l.Post(func() { n = r.l.wheel.Len(); close(done) }); err != nil {
		r.Fatal(err)
	}
	<-done
	return n
}

// TestDeadlines guards past, zero, far and moved deadlines of an operation in flight.
func TestDeadlines(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		rd, wr := r.pipe()
		c := &Completion{Op: read(rd, make([]byte, 1))}
		now := r.l.Now()
		for _, past := range []int64{now, now - 1, 1, -1, -1 << 62} {
			c.SetDeadline(past)
			if err := r.l.Do(context.Background(), c); err != os.ErrDeadlineExceeded {
				t.Errorf("deadline %d: %v", past, err)
			}
		}
		for _, never := range []int64{0, 1<<63 - 1, 1<<63 - 2, now + 100*365*24*3600e9} {
			c.SetDeadline(never)
			got := make(chan error, 1)
			go func() { got <- r.l.Do(context.Background(), c) }()
			if r.name() != "sim" { // whose clock runs to the deadline as soon as there is nothing else to do
				r.settled(1)
				time.Sleep(2 * time.Millisecond)
				select {
				case err := <-got:
					t.Fatalf("deadline %d: over at once, with %v", never, err)
				default:
				}
				r.put(wr, 1)
			} else {
				r.l.Cancel(c)
				c.SetDeadline(r.l.Now())
			}
			if err := <-got; err != nil && r.name() != "sim" {
				t.Errorf("deadline %d: %v", never, err)
			}
		}
		for _, later := range []time.Duration{time.Millisecond, 3 * time.Millisecond} { // never early
			begin := r.l.Now()
			c.SetDeadline(begin + int64(later))
			err := r.l.Do(context.Background(), c)
			if took := r.l.Now() - begin; err != os.ErrDeadlineExceeded || took < int64(later) {
				t.Errorf("deadline in %v: %v after %v", later, err, time.Duration(took))
			}
		}
	})
}

// TestMovedDeadlines guards that the deadline of an operation in flight can be moved forward, back,
// and away.
func TestMovedDeadlines(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		const ms = int64(time.Millisecond)
		rd, _ := r.pipe()
		for _, moves := range [][]int64{{2}, {1000, 2}, {1, 5}, {1, 0}, {1, 1000}, {1, 0, 5}, {3, 1, 1000, 4, 2},
			{1, 0, 1000, 0}} {
			var ended int64
			c := &Completion{Op: read(rd, make([]byte, 1)),
				Callback: func(*Completion) Action { ended = r.l.Now(); return Disarm }}
			begin, last := r.l.Now(), int64(0)
			for i, m := range moves {
				if last = m; m != 0 {
					last = r.l.Now() + m*ms
				}
				c.SetDeadline(last)
				if i == 0 {
					if err := r.l.Submit(c); err != nil {
						t.Fatal(err)
					}
				}
				r.run(NoWait)
			}
			if ended != 0 || c.cause != causeNone { // the machine was too slow for this one
				r.run(UntilDone)
				continue
			}
			var timer Timer
			timer.Start(r.l, 20*time.Millisecond, func(*Timer) Action { return Disarm })
			for timer.Armed() {
				r.run(Once)
			}
			due := last != 0 && last <= r.l.Now()-ms
			if due {
				r.runUntil("the deadline has had its effect", func() bool { return ended != 0 })
			}
			if due != (ended != 0) || due && (ended < last || c.Err() != os.ErrDeadlineExceeded) {
				t.Errorf("%v: in flight %v, %v after %v", moves, c.InFlight(), c.Err(), time.Duration(ended-begin))
			}
			r.l.Cancel(c)
			r.run(UntilDone)
		}
	})
}
