package runtime

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// TestRunModes guards what each mode promises: NoWait does not block, Once returns after a
// callback, UntilDone when nothing is left.
func TestRunModes(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		for _, mode := range []RunMode{NoWait, Once, UntilDone} {
			r.run(mode) // nothing to do: none of them blocks
		}
		rd, wr := r.pipe()
		reads := 0
		c := r.submit(read(rd, make([]byte, 1)), count(&reads))
		for range 3 {
			r.run(NoWait)
		}
		if reads != 0 || !c.InFlight() {
			t.Fatal("a read of an empty pipe is over")
		}
		nops := 0
		r.submit(nop(), count(&nops))
		r.run(Once)
		if reads != 0 || nops != 1 {
			t.Fatalf("Once: %d reads, %d nops", reads, nops)
		}
		fired := 0
		var timer Timer
		timer.Start(r.l, time.Millisecond, func(*Timer) Action { fired++; return Disarm })
		r.run(Once)
		if fired != 1 {
			t.Fatalf("Once: %d timers fired", fired)
		}
		for range 10 {
			r.submit(nop(), count(&nops))
		}
		r.put(wr, 1)
		r.run(UntilDone)
		if reads != 1 || nops != 11 || r.l.active() {
			t.Fatalf("UntilDone: %d reads, %d nops", reads, nops)
		}
		// A chain: each callback submits the next one.
		links := 0
		var next func(*Completion) Action
		next = func(*Completion) Action {
			if links++; links < 100 {
				r.submit(nop(), next)
			}
			return Disarm
		}
		r.submit(nop(), next)
		r.run(UntilDone)
		if links != 100 {
			t.Fatalf("UntilDone: a chain of 100 broke at %d", links)
		}
	})
}

// TestStop guards that Stop makes the Run under way return, or else the next one, from any
// goroutine and from callbacks, and that what is in flight stays so.
func TestStop(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		rd, wr := r.pipe()
		reads := 0
		r.submit(read(rd, make([]byte, 1)), count(&reads))
		r.l.Stop()
		r.run(UntilDone) // returns although the read is in flight
		for i := range scale(200) {
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				for range i % 7 {
					yield()
				}
				r.l.Stop()
			}()
			r.run(UntilDone)
			<-stopped
		}
		nops := 0
		r.submit(nop(), func(*Completion) Action { nops++; r.l.Stop(); return Rearm })
		for i := range 10 {
			if r.run(UntilDone); nops != i+1 {
				t.Fatalf("run %d: %d nops", i, nops)
			}
		}
		if reads != 0 {
			t.Fatal("the read is over")
		}
		r.l.Stop()
		r.run(NoWait)
		r.put(wr, 1)
		r.runUntil("the read is over", func() bool { return reads == 1 })
	})
}

// TestPost guards that functions run once each on the loop's thread, in the order of each
// goroutine's calls.
func TestPost(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		const posters, each = 8, 500
		last := make([]int, posters)
		ran, over := 0, 0
		var wg sync.WaitGroup
		r.submit(timeout0(), func(*Completion) Action { return Disarm })
		hold := &Completion{Op: timeout(), Callback: func(*Completion) Action { return Disarm }}
		hold.SetDeadline(backends.Forever)
		if err := r.l.Submit(hold); err != nil {
			t.Fatal(err)
		}
		for p := range posters {
			wg.Go(func() {
				for i := 1; i <= each; i++ {
					if err := r.l.Post(func() {
						if last[p] != i-1 {
							t.Errorf("function %d of goroutine %d runs after %d", i, p, last[p])
						}
						last[p] = i
						ran++
					}); err != nil {
						t.Error(err)
					}
				}
				if err := r.l.Post(func() {
					if over++; over == posters {
						r.l.Cancel(hold)
					}
				}); err != nil {
					t.Error(err)
				}
			})
		}
		r.run(UntilDone)
		wg.Wait()
		if ran != posters*each {
			t.Errorf("%d functions ran, want %d", ran, posters*each)
		}
	})
}

func timeout0() backends.Op { return timeout() } // without a deadline: it is over at once

// TestRearm guards that Rearm submits the same operation again, that Disarm does not, and that a
// loop of operations that are over at once does not keep others waiting (libxev#227).
func TestRearm(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		n := 0
		c := r.submit(nop(), func(c *Completion) Action {
			if n++; n < 1000 {
				return Rearm
			}
			return Disarm
		})
		r.run(UntilDone)
		if n != 1000 || c.InFlight() {
			t.Fatalf("%d rounds, in flight %v", n, c.InFlight())
		}
		// An operation that is over at once, for ever, beside a pipe that wants to be read.
		rd, wr := r.pipe()
		read := r.submit(read(rd, make([]byte, 1)), func(*Completion) Action { return Disarm })
		r.run(NoWait)
		spins := 0
		r.submit(timeout0(), func(*Completion) Action {
			if spins++; spins == 10 {
				r.put(wr, 1)
			}
			if read.InFlight() {
				return Rearm
			}
			return Disarm
		})
		r.run(UntilDone)
	})
}

// TestCallbackSubmitsItself guards Submit of its own Completion in a callback.
func TestCallbackSubmitsItself(t *testing.T) {
	eachLoop(t, Options{MaxInFlight: 2}, func(t *testing.T, r *rig) {
		n := 0
		c := &Completion{Op: nop()}
		c.Callback = func(*Completion) Action {
			if n++; n < 100 {
				if err := r.l.Submit(c); err != nil {
					t.Error(err)
				}
			}
			return Disarm
		}
		if err := r.l.Submit(c); err != nil {
			t.Fatal(err)
		}
		r.run(UntilDone)
		if n != 100 {
			t.Errorf("%d rounds", n)
		}
	})
}

// panicked runs f and returns what it panicked with.
func panicked(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// TestCallbackPanics guards that a callback that panics reaches the caller of Run, and changes
// nothing else: the others are called, nothing stays in flight, the loop goes on and closes
// (libxev#233).
func TestCallbackPanics(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		n := 0
		for i := range 100 {
			r.submit(nop(), func(*Completion) Action {
				if n++; i%10 == 5 {
					panic("on purpose")
				}
				return Disarm
			})
		}
		panics := 0
		for range 20 {
			if v := panicked(func() { r.run(UntilDone) }); v == "on purpose" {
				panics++
			} else if v != nil {
				t.Fatal(v)
			}
		}
		if n != 100 || panics != 10 {
			t.Errorf("%d of 100 callbacks ran, %d of 10 panics came", n, panics)
		}
		if in := r.l.inFlightCount(); in != 0 {
			t.Errorf("%d operations are in flight", in)
		}
		// The same from timers, asyncs, and in an operation that goes on.
		var timer Timer
		timer.Start(r.l, 0, func(*Timer) Action { panic("timer") })
		if v := panicked(func() { r.run(UntilDone) }); v != "timer" {
			t.Errorf("panic %v", v)
		}
		r.run(UntilDone)
		var async Async
		async.Notify()
		if err := async.Start(r.l, func(*Async) Action { panic("async") }); err != nil {
			t.Fatal(err)
		}
		if v := panicked(func() { r.run(UntilDone) }); v != "async" {
			t.Errorf("panic %v", v)
		}
		r.run(UntilDone)
		rd, wr := r.pipe()
		once := true
		multi := r.submit(poll(rd, pollIn, true), func(c *Completion) Action {
			if c.More() && once {
				once = false
				panic("multi")
			}
			return Disarm
		})
		r.run(NoWait)
		r.put(wr, 1)
		if v := panicked(func() { r.run(UntilDone) }); v != "multi" {
			t.Errorf("panic %v", v)
		}
		if !multi.InFlight() {
			t.Error("an operation that goes on ended with the panic of its callback")
		}
		r.l.Cancel(multi)
		r.runUntil("the poll is over", func() bool { return !multi.InFlight() })
		// A callback that both submits and wants Rearm is a mistake, and told so.
		c := &Completion{Op: nop()}
		c.Callback = func(*Completion) Action {
			c.Callback = func(*Completion) Action { return Disarm }
			if err := r.l.Submit(c); err != nil {
				t.Error(err)
			}
			return Rearm
		}
		if err := r.l.Submit(c); err != nil {
			t.Fatal(err)
		}
		if v, _ := panicked(func() { r.run(UntilDone) }).(string); !strings.Contains(v, "submitted again") {
			t.Errorf("panic %v", v)
		}
		r.run(UntilDone)
		if in := r.l.inFlightCount(); in != 0 {
			t.Errorf("%d operations are in flight at the end", in)
		}
	})
}

// TestCallbackGoexit guards the same for a callback that ends its goroutine, as t.FailNow does: the
// loop's operations go down with its thread, but nothing hangs.
func TestCallbackGoexit(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		r.abandon = true // its owner is gone
		ended := make(chan error, 1)
		l, err := NewLoop(r.o)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer func() { ended <- l.Close() }() // on the way out, still on the loop's thread
			c := &Completion{Op: nop(), Callback: func(*Completion) Action { goexit(); return Disarm }}
			if err := l.Submit(c); err != nil {
				t.Error(err)
			}
			l.Run(UntilDone)
		}()
		if err := <-ended; err != nil {
			t.Errorf("Close after Goexit: %v", err)
		}
		r.l.Close()
	})
}

// TestDoOnCallbackLoop guards that goroutines may wait for operations of a callback loop.
func TestDoOnCallbackLoop(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		a, b := r.socketPair()
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range 100 {
				r.mustDo(backends.Op{Code: backends.OpSend, FD: a, Buf: []byte{byte(i)}})
			}
		})
		wg.Go(func() {
			buf := make([]byte, 10)
			for n := 0; n < 100; {
				n += r.mustDo(backends.Op{Code: backends.OpRecv, FD: b, Buf: buf})
			}
		})
		over := make(chan struct{})
		go func() { wg.Wait(); close(over); r.l.Stop() }()
		for done := false; !done; {
			hold := &Completion{Op: timeout(), Callback: func(*Completion) Action { return Disarm }}
			hold.SetDeadline(r.l.Now() + 1e6)
			if err := r.l.Submit(hold); err != nil {
				t.Fatal(err)
			}
			r.run(UntilDone)
			select {
			case <-over:
				done = true
			default:
			}
		}
		if err := r.l.Do(context.Background(), &Completion{Op: poll(a, pollIn, true)}); err == nil {
			t.Error("Do of a multishot operation is not refused")
		}
		if err := r.l.Submit(&Completion{Op: nop()}); err == nil {
			t.Error("Submit without a callback is not refused")
		}
	})
}

// TestMultishot guards multishot polls and accepts: Rearm goes on, Disarm ends it with one more
// callback that has the terminal result, and Submit in between is refused.
func TestMultishot(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		rd, wr := r.pipe()
		events, ends := 0, 0
		c := &Completion{Op: poll(rd, pollIn|pollET, true)}
		c.Callback = func(*Completion) Action {
			if !c.More() {
				if ends++; c.Err() != ErrCanceled {
					t.Errorf("the poll ended with %v", c.Err())
				}
				return Disarm
			}
			if events++; c.N()&pollIn == 0 {
				t.Errorf("poll reports %#x", c.N())
			}
			if err := r.l.Submit(c); err != ErrInFlight {
				t.Errorf("Submit of a multishot that goes on: %v", err)
			}
			if events == 5 {
				return Disarm
			}
			return Rearm
		}
		if err := r.l.Submit(c); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			r.put(wr, 1)
			r.runUntil("the poll reports", func() bool { return events > i })
		}
		r.run(UntilDone)
		if events < 5 || ends != 1 { // more if it had some to tell before the cancel reached it
			t.Errorf("%d events, %d ends", events, ends)
		}

		fd, addr := r.listener()
		var conns []int
		over := false
		acceptor := r.submit(backends.Op{Code: backends.OpAccept, FD: fd, Flags: cloexec, Multi: true},
			func(c *Completion) Action {
				if !c.More() {
					over = true
				}
				if c.Err() == nil {
					conns = append(conns, r.own(c.N()))
				} else if c.Err() != ErrCanceled {
					t.Errorf("accept: %v", c.Err())
				}
				return Rearm
			})
		for range 10 {
			r.submit(backends.Op{Code: backends.OpConnect, FD: r.socket(), Addr: addr}, func(c *Completion) Action {
				if c.Err() != nil {
					t.Errorf("connect: %v", c.Err())
				}
				return Disarm
			})
		}
		r.runUntil("10 connections are accepted", func() bool { return len(conns) == 10 })
		if over {
			t.Error("the accept is over")
		}
		acceptor.Callback = func(c *Completion) Action { over = c.Err() == ErrCanceled; return Disarm }
		r.l.Cancel(acceptor)
		r.runUntil("the accept is over", func() bool { return over })
	})
}

const pollET = 1 << 31 // EPOLLET

// TestCancelDuringCallback guards that a Cancel, SetDeadline, Retire or Stop that comes while the
// callback runs, when the Completion is idle, is not lost to the Rearm that follows.
func TestCancelDuringCallback(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		for name, stop := range map[string]struct {
			f    func(*Completion)
			want error
		}{
			"Cancel":      {r.l.Cancel, ErrCanceled},
			"SetDeadline": {func(c *Completion) { c.SetDeadline(r.l.Now() - 1) }, os.ErrDeadlineExceeded},
			"Retire":      {(*Completion).Retire, ErrClosed},
		} {
			elsewhere := func(c *Completion) { // during the callback, by another goroutine
				done := make(chan struct{})
				go func() { stop.f(c); close(done) }()
				<-done
			}
			calls := 0
			c := r.submit(nop(), func(c *Completion) Action {
				if calls++; calls == 1 {
					elsewhere(c)
					return Rearm
				}
				if calls < 100 && c.Err() == nil {
					return Rearm
				}
				return Disarm
			})
			r.run(UntilDone)
			if calls != 2 || !errors.Is(c.Err(), stop.want) {
				t.Errorf("%s: %d calls, the last with %v", name, calls, c.Err())
			}
		}
		var async Async
		calls := 0
		if err := async.Start(r.l, func(a *Async) Action {
			if calls++; calls == 1 {
				done := make(chan struct{})
				go func() { a.Stop(); close(done) }()
				<-done
			}
			return Rearm
		}); err != nil {
			t.Fatal(err)
		}
		async.Notify()
		r.run(UntilDone) // hangs if the Stop was lost
		// A Cancel is answered once: a callback that goes on after ErrCanceled can.
		rounds := 0
		c := r.submit(nop(), func(c *Completion) Action {
			switch rounds++; rounds {
			case 1:
				r.l.Cancel(c)
				return Rearm
			case 2:
				if c.Err() != ErrCanceled {
					t.Errorf("round 2: %v", c.Err())
				}
				return Rearm
			default:
				return Disarm
			}
		})
		r.run(UntilDone)
		if rounds != 3 || c.Err() != nil {
			t.Errorf("%d rounds, the last with %v", rounds, c.Err())
		}
	})
}
