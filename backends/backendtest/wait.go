package backendtest

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// spurious is how often a wait may end early, with nothing, before it counts as a busy loop.
// Signals do end waits.
const spurious = 100

// expire polls until deadline has passed, without events.
func (r *rig) expire(deadline int64) {
	r.t.Helper()
	for i := 0; r.b.Now() < deadline; i++ {
		if i == spurious {
			r.t.Fatalf("Poll returned %d times before its deadline, with nothing", spurious)
		}
		if n := r.poll(deadline); n != 0 {
			r.t.Fatalf("Poll returned %d events, though there is nothing to report", n)
		}
	}
}

// testDeadline catches waits that end early, or never.
func testDeadline(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	for _, d := range []time.Duration{1, time.Microsecond, 100 * time.Microsecond, time.Millisecond,
		15 * time.Millisecond} {
		for range 3 {
			r.expire(r.b.Now() + int64(d))
		}
	}
}

// testDeadlinePast catches deadlines in the past that count as none at all, or are refused. Some
// lie before the clock's zero: on a machine that has just been started a minute ago does.
func testDeadlinePast(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, _ := r.pipe()
	o := r.read(rd, 1)
	r.submit(o)
	for _, deadline := range []int64{1, -1, -int64(time.Hour), math.MinInt64, r.b.Now() - 1, r.b.Now()} {
		r.poll(deadline)
	}
	r.cancel(o.id())
	r.wait(o)
	r.expect(o, canceled)
}

// testDeadlineInFlight catches waits that take a wait's end for the end of an operation, and events
// that do not end a wait.
func testDeadlineInFlight(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	o := r.read(rd, 1)
	r.submit(o)
	r.expire(r.b.Now() + int64(5*time.Millisecond))
	if o.done {
		t.Fatalf("%v: %s, though the pipe is empty", o, result(o.res))
	}
	w := r.write(wr, []byte("x"))
	r.submit(w)
	end := r.b.Now() + int64(time.Hour)
	for early := 0; !o.done || !w.done; early++ { // where the clock is real, the watchdog ends this
		if r.poll(end); r.b.Now() >= end || early > spurious {
			t.Fatalf("Poll waited for its deadline, though there must be events; in flight are %s", r.listInFlight())
		}
	}
	// A deadline far away is not an error. (A virtual clock goes there.)
	var wg sync.WaitGroup
	wg.Go(func() {
		time.Sleep(time.Millisecond)
		r.b.Wake()
	})
	r.poll(r.b.Now() + 100*365*24*int64(time.Hour))
	wg.Wait()
}

// testWakeBefore catches a Wake that gets lost because it comes before the wait.
func testWakeBefore(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	for range 20 {
		r.b.Wake()
		if n := r.poll(backends.Forever); n != 0 {
			t.Fatalf("a Wake brought %d events", n)
		}
		r.b.Wake()
		r.poll(backends.NoWait) // does not wait, and so does not use the Wake up
		if n := r.poll(backends.Forever); n != 0 {
			t.Fatalf("a Wake brought %d events", n)
		}
	}
	r.expire(r.b.Now() + int64(5*time.Millisecond)) // it is used up
}

// awaitWake waits until another goroutine has called Wake, which it does a little later.
func (r *rig) awaitWake(later time.Duration) {
	r.t.Helper()
	var called atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		time.Sleep(later)
		called.Store(true)
		r.b.Wake()
	})
	for !called.Load() {
		r.poll(backends.Forever)
	}
	wg.Wait()
}

// testWakeBlocked catches a Wake that does not end the wait it comes into, in particular when it
// comes just as the wait begins.
func testWakeBlocked(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 300 {
		later := time.Duration(rng.IntN(100)) * time.Microsecond
		if i < 3 {
			later = 10 * time.Millisecond
		}
		r.awaitWake(later)
	}
	rd, _ := r.pipe() // with an operation in flight as well
	o := r.read(rd, 1)
	r.submit(o)
	r.awaitWake(time.Millisecond)
	if o.done {
		t.Fatalf("%v: %s, though the pipe is empty", o, result(o.res))
	}
	r.cancel(o.id())
	r.wait(o)
}

// testWakeStorm catches Wakes that pile up, and races among them.
func testWakeStorm(t *testing.T, env Env) {
	r := newRig(t, env, 8, 8)
	for range 1000 {
		r.b.Wake()
	}
	r.poll(backends.Forever)
	r.expire(r.b.Now() + int64(5*time.Millisecond)) // 1000 Wakes are not 1000 returns

	var wg sync.WaitGroup
	var callers atomic.Int32
	for range 4 {
		callers.Add(1)
		wg.Go(func() {
			for range 500 {
				r.b.Wake()
			}
			callers.Add(-1)
			r.b.Wake()
		})
	}
	for callers.Load() > 0 {
		r.poll(backends.Forever)
		r.want(r.nop(), 0)
	}
	wg.Wait()
}

// testWakeWithEvents catches a Wake that takes the place of an event.
func testWakeWithEvents(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	for range 20 {
		var ops []*op
		for range 5 {
			ops = append(ops, r.nop())
		}
		r.submit(ops...)
		r.b.Wake()
		r.drain(r.dst[:2])
		for _, o := range ops {
			r.expect(o, 0)
		}
	}
}

// testWakeAfterOverflow catches the Wake that is lost for good when the completion queue overflows:
// the multishot poll behind it ends like any other.
func testWakeAfterOverflow(t *testing.T, env Env) {
	r := newRig(t, env, small, small)
	rng := rand.New(rand.NewPCG(3, 3))
	rd, wr := r.pipe()
	for range 20 {
		r.flood(3)
		r.b.Wake()
		r.flood(3)
		r.b.Wake()
		r.drain(r.dst)
		r.awaitWake(time.Duration(rng.IntN(300)) * time.Microsecond)

		// One write makes more events than fit, while the Poll that brings them about is being
		// woken.
		var ops []*op
		for range 4 * small {
			ops = append(ops, r.pollFor(rd, pollIn, false))
		}
		r.submit(ops...)
		r.handOver()
		var stop atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			for !stop.Load() {
				r.b.Wake()
				runtime.Gosched() // without threads no other goroutine would run
			}
		})
		r.submit(r.write(wr, []byte("x")))
		r.drain(r.dst)
		stop.Store(true)
		wg.Wait()
		r.readFull(rd, 1)
		r.awaitWake(time.Duration(rng.IntN(300)) * time.Microsecond)
	}
	c := r.b.Counters()
	t.Logf("%d overflows, %d re-arms", c.Overflows, c.Rearms)
}
