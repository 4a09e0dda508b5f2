package runtime

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

func timeout() backends.Op { return backends.Op{Code: backends.OpTimeout} }

// TestCloseEverything guards that Close ends what is in flight, whatever it is, and returns when
// all of it is over.
func TestCloseEverything(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		const n = 20
		rd, _ := r.pipe()
		a, _ := r.socketPair()
		ln, _ := r.listener()
		var wg sync.WaitGroup
		for range n {
			for _, op := range []backends.Op{
				read(rd, make([]byte, 1)),
				{Code: backends.OpRecv, FD: a, Buf: make([]byte, 1)},
				poll(rd, pollIn, false),
				{Code: backends.OpAccept, FD: ln, Flags: cloexec},
				timeout(),
			} {
				wg.Go(func() {
					c := &Completion{Op: op}
					if op.Code == backends.OpTimeout {
						c.SetDeadline(backends.Forever)
					}
					if err := r.l.Do(context.Background(), c); err != ErrClosed {
						t.Errorf("%s: %v, want ErrClosed", op.Code, err)
					}
				})
			}
		}
		var asyncs [n]Async
		for i := range asyncs {
			unexpected := func(*Async) Action { t.Error("the callback ran without a Notify"); return Rearm }
			if err := asyncs[i].Start(r.l, unexpected); err != nil {
				t.Fatal(err)
			}
		}
		var multis [2]Completion
		multis[0].Op, multis[1].Op = poll(rd, pollIn, true), backends.Op{Code: backends.OpAccept, FD: ln,
			Flags: cloexec, Multi: true}
		for i := range multis {
			wg.Add(1)
			multis[i].Callback = func(c *Completion) Action {
				defer wg.Done()
				if c.More() || c.Err() != ErrClosed {
					t.Errorf("multishot %s: %v, more %v", c.Op.Code, c.Err(), c.More())
				}
				return Rearm // too late
			}
			if err := r.l.Submit(&multis[i]); err != nil {
				t.Fatal(err)
			}
		}
		running, release := make(chan struct{}), make(chan struct{})
		var blocking [2]Completion
		for i := range blocking {
			wg.Add(1)
			blocking[i].Callback = func(c *Completion) Action {
				defer wg.Done()
				if c.Err() != nil {
					t.Errorf("a blocking function that ran: %v", c.Err())
				}
				return Rearm
			}
			if err := r.l.Blocking(&blocking[i], func() { running <- struct{}{}; <-release }); err != nil {
				t.Fatal(err)
			}
			<-running
		}
		r.settled(6*n + 4)
		time.AfterFunc(5*time.Millisecond, func() { close(release) })
		if err := r.rt.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		select {
		case <-release:
		default:
			t.Error("Close returned while a blocking function ran")
		}
		wg.Wait()
		if err := r.rt.Close(); err != ErrClosed {
			t.Errorf("second Close: %v, want ErrClosed", err)
		}
		if !r.rt.Closed() {
			t.Error("Closed reports false")
		}
		for range 3 {
			_, err := r.do(context.Background(), nop())
			if err != ErrClosed || !errors.Is(err, net.ErrClosed) || !errors.Is(err, fs.ErrClosed) {
				t.Errorf("Do after Close: %v", err)
			}
			c := &Completion{Op: nop(), Callback: func(*Completion) Action { t.Error("called"); return Disarm }}
			if err := r.l.Submit(c); err != ErrClosed {
				t.Errorf("Submit after Close: %v", err)
			}
			if err := r.l.Post(func() { t.Error("called") }); err != ErrClosed {
				t.Errorf("Post after Close: %v", err)
			}
			c.SetDeadline(r.l.Now())
			c.Retire()
			r.l.Cancel(&multis[0])
			asyncs[0].Notify()
			asyncs[0].Stop()
		}
	})
}

const cloexec = 0x80000 // SOCK_CLOEXEC

// TestCloseLoop guards the same for a loop of callbacks, whose Close runs the last ones.
func TestCloseLoop(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		rd, _ := r.pipe()
		ln, _ := r.listener()
		ended := 0
		end := func(c *Completion) Action {
			if c.More() || c.Err() != ErrClosed {
				t.Errorf("%s: %v", c.Op.Code, c.Err())
			}
			ended++
			if err := r.l.Submit(c); err != ErrClosed {
				t.Errorf("Submit in a callback while the loop closes: %v", err)
			}
			return Rearm
		}
		sleeper := &Completion{Op: timeout(), Callback: end}
		sleeper.SetDeadline(backends.Forever)
		if err := r.l.Submit(sleeper); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			r.submit(read(rd, make([]byte, 1)), end)
			r.submit(poll(rd, pollIn, true), end)
			r.submit(backends.Op{Code: backends.OpAccept, FD: ln, Flags: cloexec}, end)
		}
		var timer Timer
		timer.Start(r.l, time.Hour, func(*Timer) Action { t.Error("the timer fires at the end"); return Disarm })
		var async Async
		if err := async.Start(r.l, func(*Async) Action { t.Error("nobody called Notify"); return Rearm }); err != nil {
			t.Fatal(err)
		}
		r.run(NoWait)
		r.submit(read(rd, make([]byte, 1)), end) // still queued
		if err := r.l.Close(); err != nil {
			t.Fatal(err)
		}
		if ended != 32 {
			t.Errorf("%d callbacks ran, want 32", ended)
		}
		if timer.Armed() || timer.Stop() {
			t.Error("the timer is still armed")
		}
	})
	t.Run("NeverRun", func(t *testing.T) {
		eachLoop(t, Options{}, func(t *testing.T, r *rig) {
			called := 0
			r.submit(nop(), func(c *Completion) Action {
				if called++; c.Err() != ErrClosed {
					t.Errorf("%v", c.Err())
				}
				return Disarm
			})
			if err := r.l.Close(); err != nil || called != 1 {
				t.Errorf("Close: %v, %d callbacks", err, called)
			}
		})
	})
}

// TestShutdownStuck guards that a Shutdown whose context ends first says what it waits for, and
// that it can be waited for again.
func TestShutdownStuck(t *testing.T) {
	var deaf atomic.Bool // to cancels
	o := withShim(Options{}, func(s *shim) {
		deaf.Store(true)
		s.cancel = func(id backends.ID) bool { return deaf.Load() || s.Backend.Cancel(id) }
	})
	eachDrive(t, o, func(t *testing.T, r *rig) {
		r.wantsBackend()
		rd, wr := r.pipe()
		release, running := make(chan struct{}), make(chan struct{})
		ended := make(chan error, 1)
		b := &Completion{Callback: func(c *Completion) Action { ended <- c.Err(); return Disarm }}
		if err := r.l.Blocking(b, func() { close(running); <-release }); err != nil {
			t.Fatal(err)
		}
		<-running
		got := make(chan error, 1)
		buf := make([]byte, 1)
		go func() { _, err := r.do(context.Background(), read(rd, buf)); got <- err }()
		r.settled(2)
		var put func()
		if r.name() == "sim" { // whose pipes can be written through the loop only: closing the other end will do
			put = func() { r.closeFD(wr) }
		} else {
			put = func() { r.put(wr, 9) }
		}

		cause := errors.New("no patience")
		for range 2 {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(2*time.Millisecond, func() { cancel(cause) })
			err := r.rt.Shutdown(ctx)
			stuck := (*StuckError)(nil)
			if !errors.As(err, &stuck) || !errors.Is(err, cause) {
				t.Fatalf("Shutdown: %v, want a StuckError with the context's cause", err)
			}
			if len(stuck.Ops) != 2 {
				t.Fatalf("stuck: %+v", stuck.Ops)
			}
			for _, op := range stuck.Ops {
				if op.Code != backends.OpBlocking && (op.Code != backends.OpRead || op.FD != rd) {
					t.Errorf("stuck: %+v", op)
				}
			}
			for _, want := range []string{"2 operations", "read on fd", "blocking"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		}
		if _, err := r.do(context.Background(), nop()); err != ErrClosed {
			t.Errorf("Do while stuck: %v", err)
		}
		second := make(chan error, 1)
		go func() { second <- r.rt.Shutdown(context.Background()) }()
		time.Sleep(2 * time.Millisecond)
		select {
		case err := <-second:
			t.Fatalf("the second Shutdown did not wait: %v", err)
		case err := <-got:
			t.Fatalf("the read returned %v", err)
		default:
		}
		close(release)
		if err := <-ended; err != nil {
			t.Errorf("the blocking function: %v", err)
		}
		put()
		if err := <-got; err != nil {
			t.Errorf("the read that was done anyway: %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("the second Shutdown: %v", err)
		}
		if err := r.rt.Shutdown(context.Background()); err != ErrClosed {
			t.Errorf("the third Shutdown: %v, want ErrClosed", err)
		}
	})
}

// TestCloseRacesSubmit guards that no submitter hangs and nothing is lost when many goroutines
// submit while the runtime closes, and that each gets its result or ErrClosed.
func TestCloseRacesSubmit(t *testing.T) {
	for _, d := range drives() {
		t.Run(d.name, func(t *testing.T) {
			for round := range scale(60) {
				r := startRuntime(t, d, Options{MaxInFlight: 8, QueueEntries: 4})
				rd, _ := r.pipe()
				var callbacks, submitted atomic.Int64
				var wg sync.WaitGroup
				for g := range 16 {
					wg.Go(func() {
						rng := rand.New(rand.NewPCG(uint64(round), uint64(g)))
						for {
							var err error
							switch rng.IntN(6) {
							case 0, 1:
								_, err = r.do(context.Background(), nop())
							case 2:
								ctx, cancel := context.WithTimeout(context.Background(),
									time.Duration(rng.IntN(100))*time.Microsecond)
								_, err = r.do(ctx, read(rd, make([]byte, 1)))
								cancel()
								if err == context.DeadlineExceeded {
									err = nil
								}
							case 3:
								c := &Completion{Op: timeout()}
								c.SetDeadline(r.l.Now() + rng.Int64N(100_000))
								err = r.l.Do(context.Background(), c)
							case 4:
								c := &Completion{Op: nop(),
									Callback: func(*Completion) Action { callbacks.Add(1); return Disarm }}
								if err = r.l.Submit(c); err == nil {
									submitted.Add(1)
								} else if err == ErrBusy {
									err = nil
								}
							case 5:
								if err = r.l.Post(func() { callbacks.Add(1) }); err == nil {
									submitted.Add(1)
								} else if err == ErrBusy {
									err = nil
								}
							}
							if err == ErrClosed {
								return
							}
							if err != nil {
								t.Errorf("%v", err)
								return
							}
						}
					})
				}
				time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
				if err := r.rt.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				wg.Wait()
				if callbacks.Load() != submitted.Load() {
					t.Errorf("%d callbacks ran for %d Submits", callbacks.Load(), submitted.Load())
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

// TestConcurrentShutdowns guards that any number of goroutines may close: all wait for the end.
func TestConcurrentShutdowns(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		rd, _ := r.pipe()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.do(context.Background(), read(rd, make([]byte, 1))); err != ErrClosed {
				t.Errorf("%v", err)
			}
		})
		r.settled(1)
		for range 8 {
			wg.Go(func() {
				if err := r.rt.Close(); err != nil && err != ErrClosed {
					t.Errorf("Close: %v", err)
				}
				select {
				case <-r.l.ended:
				default:
					t.Error("Close returned before the loop had ended")
				}
			})
		}
		wg.Wait()
	})
}

// TestRuntimeLoops guards placement over several loops and that all of them are closed.
func TestRuntimeLoops(t *testing.T) {
	for _, d := range picked(systemDrives()) {
		t.Run(d.name, func(t *testing.T) {
			o := Options{}
			newRig(t, d, &o)
			o.Drive, o.Loops = d.drive, 3
			rt, err := New(o)
			if u := (unavailable{}); errors.As(err, &u) {
				t.Skip(u)
			} else if err != nil {
				t.Fatal(err)
			}
			seen := map[*Loop]int{}
			var places []int
			for range 6 {
				l, i, err := rt.Place(true)
				if err != nil {
					t.Fatal(err)
				}
				seen[l]++
				places = append(places, i)
				if err := l.Do(context.Background(), &Completion{Op: nop()}); err != nil {
					t.Error(err)
				}
			}
			for l, n := range seen {
				if n != 2 {
					t.Errorf("a loop got %d of 6 handles", n)
				}
				if s := l.Stats(); s.Ops["nop"] != 2 {
					t.Errorf("stats of a loop: %+v", s)
				}
			}
			for _, i := range places {
				rt.Release(i)
			}
			for n := range uint32(3) {
				if l, err := rt.Any(n); err != nil || seen[l] == 0 {
					t.Errorf("Any(%d): %v, %v", n, l, err)
				}
			}
			if s := rt.Stats(); s.Ops["nop"] != 6 || s.Total() != 6 || s.InFlight != 0 {
				t.Errorf("stats: %+v", s)
			}
			if i := rt.Info(); i.Loops != 3 || i.Drive != d.drive || i.Backend == "" || i.Reason == "" {
				t.Errorf("info: %+v", i)
			}
			var c Completion
			c.Op = nop()
			first, _ := rt.Any(0)
			second, _ := rt.Any(1)
			if err := first.Do(context.Background(), &c); err != nil {
				t.Error(err)
			}
			if err := second.Do(context.Background(), &c); err != ErrOtherLoop {
				t.Errorf("a Completion on a second loop: %v, want ErrOtherLoop", err)
			}
			if err := first.Do(context.Background(), &c); err != nil {
				t.Errorf("back on its own: %v", err)
			}
			if err := rt.Close(); err != nil {
				t.Error(err)
			}
			for l := range seen {
				<-l.ended
			}
			if d.drive == DriveThread {
				if _, _, err := rt.Place(true); err != ErrClosed {
					t.Errorf("Place after Close: %v", err)
				}
			}
		})
	}
}
