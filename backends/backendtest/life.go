package backendtest

import (
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// testGarbageCollection catches memory that the kernel uses although nothing refers to it: what the
// kernel writes then lands in memory that is in use for something else. The suite refers to the
// Completion only, as a Loop does.
func testGarbageCollection(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	const n, size = 40, 256
	var garbage [][]byte
	churn := func() {
		for range 2 {
			runtime.GC()
			for _, n := range []int{size, 32, 48, 64, 80, 96, 112, 128} { // data; headers and vectors
				for range 150 {
					garbage = append(garbage, make([]byte, n))
				}
			}
		}
	}
	for range 3 {
		garbage = nil
		var ops []*op
		var writers []int
		for i := range n {
			a, b := r.socketPair()
			writers = append(writers, a)
			desc := backends.Op{FD: b}
			switch i % 4 {
			case 0:
				desc.Code, desc.Off, desc.Buf = backends.OpRead, backends.Stream, make([]byte, size)
			case 1:
				desc.Code, desc.Buf = backends.OpRecv, make([]byte, size)
			case 2:
				desc.Code, desc.Off = backends.OpReadv, backends.Stream
				desc.Bufs = [][]byte{make([]byte, 1), make([]byte, size-1)}
			case 3:
				desc.Code = backends.OpRecvMsg
				desc.Msg = &backends.Msg{Bufs: [][]byte{make([]byte, 1), make([]byte, size-1)},
					Addr: new(backends.Sockaddr)}
			}
			ops = append(ops, r.op(desc))
		}
		r.submit(ops...)
		churn()
		r.poll(backends.NoWait)
		churn()
		for i, fd := range writers {
			o := r.vec(backends.OpWritev, fd, backends.Stream, 10, size-10)
			fill(o.c.Bufs, i)
			r.submit(o)
		}
		churn()
		r.drain(r.dst)
		for i, o := range ops {
			if o.res <= 0 || o.res > size {
				t.Fatalf("%v: %s", o, result(o.res))
			}
			bufs := o.c.Bufs
			if o.c.Msg != nil {
				bufs = o.c.Msg.Bufs
			} else if o.c.Buf != nil {
				bufs = [][]byte{o.c.Buf}
			}
			checkSeq(t, o, o.gathered(bufs), i)
		}
		for _, g := range garbage {
			for i := range g {
				if g[i] != 0 {
					t.Fatalf("memory that has nothing to do with any operation was written: % x", g)
				}
			}
		}
		for _, o := range ops {
			r.closeFD(o.c.FD)
		}
	}
}

// testCloseThenWake catches a late Wake that crashes, or writes to a descriptor whose number
// belongs to another file by then.
func testCloseThenWake(t *testing.T, env Env) {
	thread := env.Thread()
	if thread {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	for range 5 {
		b := env.Open(t, 0, 0)
		if err := b.Bind(thread); err != nil {
			t.Fatalf("Bind: %v", err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 200 {
					b.Wake()
				}
			})
		}
		if err := b.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		r := newRig(t, env, 0, 0) // its descriptors have the numbers that b's had
		var ends []*op
		for range 8 {
			rd, _ := r.pipe()
			ends = append(ends, r.pollFor(rd, pollIn, false))
		}
		r.submit(ends...)
		b.Wake()
		wg.Wait()
		b.Wake()
		r.quiet(5 * time.Millisecond)
		for _, o := range ends {
			if o.done {
				t.Fatalf("%v: %s: a Wake after Close wrote to it", o, result(o.res))
			}
			r.cancel(o.id())
		}
		r.drain(r.dst)
		r.close()
	}
}

// pollable returns what the scheduler drive needs to test a backend, or skips the test.
func pollable(t *testing.T, env Env) (*rig, backends.Pollable, func(time.Duration) bool) {
	waiter, ok := env.(readableEnv)
	if !ok || env.Thread() {
		t.Skip("not for this environment: it has no way to wait for a descriptor, or is bound to a thread")
	}
	r := newRig(t, env, 0, 0)
	p, ok := r.b.(backends.Pollable)
	if !ok {
		t.Skip("the backend is not Pollable")
	}
	return r, p, func(d time.Duration) bool { return waiter.Readable(t, p.PollFD(), d) }
}

// testPollFD catches a descriptor that keeps quiet about events, or never does.
func testPollFD(t *testing.T, env Env) {
	r, _, readable := pollable(t, env)
	rd, wr := r.pipe()
	for range 20 {
		r.handOver()
		if readable(0) {
			t.Fatal("the descriptor is readable, though Poll finds nothing")
		}
		o := r.read(rd, 1)
		r.submit(o)
		r.poll(backends.NoWait)
		if !o.done && readable(0) && r.poll(backends.NoWait) == 0 && readable(0) {
			t.Fatal("the descriptor stays readable, though Poll finds nothing")
		}
		w := r.write(wr, []byte("x"))
		r.submit(w)
		for l := r.limit(); !w.done || !o.done; {
			if l.over(r) {
				t.Fatalf("no end within %v; in flight are %s", patience, r.listInFlight())
			}
			if r.poll(backends.NoWait) == 0 && !r.b.Pending() && !readable(patience) {
				t.Fatal("the descriptor is not readable, though events must come")
			}
		}
	}
}

// testAlarm catches alarms that do not come, come early, or come as an event.
func testAlarm(t *testing.T, env Env) {
	r, p, readable := pollable(t, env)
	set := func(deadline int64) {
		t.Helper()
		for !p.Alarm(deadline) {
			r.poll(backends.NoWait)
		}
		r.handOver()
	}
	expect := func(deadline int64) {
		t.Helper()
		if r.b.Now() >= deadline {
			return // it came while it was being set: the Poll that handed it over may have used it up
		}
		if !readable(patience) {
			t.Fatal("no alarm")
		}
		if now := r.b.Now(); now < deadline {
			t.Fatalf("the alarm came %v early", time.Duration(deadline-now))
		}
		for i := 0; readable(0); i++ {
			if n := r.poll(backends.NoWait); n != 0 {
				t.Fatalf("an alarm brought %d events", n)
			}
			if i == spurious {
				t.Fatal("the descriptor stays readable after an alarm")
			}
		}
	}
	after := func(d time.Duration) int64 { return r.b.Now() + int64(d) }
	for range 3 {
		deadline := after(5 * time.Millisecond)
		set(deadline)
		expect(deadline)
	}
	for range 3 {
		set(after(time.Hour))
		near := after(5 * time.Millisecond)
		set(near) // the nearer one replaces the farther one
		expect(near)
	}
	set(after(50 * time.Millisecond))
	set(after(time.Hour)) // may be ignored
	near := after(5 * time.Millisecond)
	set(near)
	expect(near)
	// Times long past and far away are no errors, nor do they disturb the next.
	for _, deadline := range []int64{
		after(-time.Second), 0, -1, -int64(time.Hour), math.MinInt64,
		after(100 * 365 * 24 * time.Hour), math.MaxInt64 - 1, math.MaxInt64,
	} {
		set(deadline)
		near = after(5 * time.Millisecond)
		set(near)
		expect(near)
	}
}
