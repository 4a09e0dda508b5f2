package runtime

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/sim"
)

var tiny = Options{QueueEntries: 2, CompletionEntries: 4}

// TestTinyQueue guards that a submission queue of 2 entries carries 1,000 operations at once.
func TestTinyQueue(t *testing.T) {
	eachDrive(t, tiny, func(t *testing.T, r *rig) {
		const n = 1000
		rd, wr := r.pipe()
		sum := atomic.Int64{}
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				buf := make([]byte, 1)
				if n := r.mustDo(read(rd, buf)); n != 1 {
					t.Errorf("read %d bytes", n)
				}
				sum.Add(int64(buf[0]))
			})
		}
		r.settled(n)
		want := int64(0)
		for i := 0; i < n; i += 100 {
			p := make([]byte, 100)
			for k := range p {
				p[k] = byte(i + k)
				want += int64(p[k])
			}
			r.put(wr, p...)
		}
		wg.Wait()
		if sum.Load() != want {
			t.Errorf("the bytes add up to %d, want %d", sum.Load(), want)
		}
	})
}

// TestTinyQueueCancels guards that no cancel is lost when they find the submission queue full:
// 1,000 operations in flight, all stopped at one time, while 1,000 others want to start (zio 623).
func TestTinyQueueCancels(t *testing.T) {
	t.Run("Context", func(t *testing.T) {
		eachDrive(t, tiny, func(t *testing.T, r *rig) {
			const n = 1000
			rd, _ := r.pipe()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					if _, err := r.do(ctx, read(rd, make([]byte, 1))); err != context.Canceled {
						t.Errorf("%v, want context.Canceled", err)
					}
				})
			}
			r.settled(n)
			cancel()
			for range n {
				wg.Go(func() { r.mustDo(nop()) })
			}
			wg.Wait()
		})
	})
	t.Run("Deadline", func(t *testing.T) {
		eachDrive(t, tiny, func(t *testing.T, r *rig) {
			const n = 1000
			rd, _ := r.pipe()
			when := r.l.Now() + int64(30*time.Millisecond)
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					c := &Completion{Op: read(rd, make([]byte, 1))}
					c.SetDeadline(when)
					if err := r.l.Do(context.Background(), c); err != os.ErrDeadlineExceeded {
						t.Errorf("%v, want os.ErrDeadlineExceeded", err)
					}
				})
			}
			wg.Wait()
		})
	})
	t.Run("Callback", func(t *testing.T) {
		eachLoop(t, tiny, func(t *testing.T, r *rig) {
			const n = 1000
			rd, _ := r.pipe()
			canceled, nops := 0, 0
			var all []*Completion
			for range n {
				all = append(all, r.submit(read(rd, make([]byte, 1)), func(c *Completion) Action {
					if c.Err() != ErrCanceled {
						t.Errorf("%v, want ErrCanceled", c.Err())
					}
					canceled++
					return Disarm
				}))
			}
			r.run(NoWait)
			if err := r.l.Post(func() {
				for _, c := range all {
					r.l.Cancel(c)
					r.submit(nop(), count(&nops))
				}
			}); err != nil {
				t.Fatal(err)
			}
			r.run(UntilDone)
			if canceled != n || nops != n {
				t.Errorf("%d of %d were cancelled, %d of %d others done", canceled, n, nops, n)
			}
		})
	})
}

// traffic moves numbered bytes through pairs of sockets for a while: rounds of a send and a receive
// on each.
func traffic(r *rig, pairs, rounds int) {
	r.Helper()
	var wg sync.WaitGroup
	for range pairs {
		a, b := r.socketPair()
		wg.Go(func() {
			for i := range rounds {
				if n := r.mustDo(backends.Op{Code: backends.OpSend, FD: a,
					Buf: []byte{byte(i), byte(i >> 8)}}); n != 2 {
					r.Errorf("sent %d bytes", n)
					return
				}
			}
		})
		wg.Go(func() {
			for i := 0; i < 2*rounds; {
				buf := make([]byte, 64)
				n := r.mustDo(backends.Op{Code: backends.OpRecv, FD: b, Buf: buf})
				for _, x := range buf[:n] {
					if want := byte(i / 2 >> (8 * (i % 2))); x != want {
						r.Errorf("byte %d is %d, want %d", i, x, want)
						return
					}
					i++
				}
				if n == 0 {
					r.Errorf("end of stream after %d bytes", i)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestPartialSubmit guards against backends that take less than they are given: operations and
// cancels that are refused are handed over again, once and in order.
func TestPartialSubmit(t *testing.T) {
	o := withShim(Options{QueueEntries: 8}, func(s *shim) {
		rng := rand.New(rand.NewPCG(1, 2))
		s.submit = func(batch []*backends.Completion) int {
			if len(batch) == 0 {
				return 0
			}
			return s.Backend.Submit(batch[:rng.IntN(len(batch)+1)])
		}
		s.cancel = func(id backends.ID) bool { return rng.IntN(2) == 0 && s.Backend.Cancel(id) }
		s.poll = func(dst []backends.Event, deadline int64) (int, error) {
			switch rng.IntN(4) {
			case 0:
				return 0, nil // as after a signal
			case 1:
				return s.Backend.Poll(dst[:1], deadline)
			}
			return s.Backend.Poll(dst, deadline)
		}
	})
	eachDrive(t, o, func(t *testing.T, r *rig) {
		traffic(r, 16, scale(300))
		rd, _ := r.pipe()
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := r.do(ctx, read(rd, make([]byte, 1))); err != context.Canceled {
					t.Errorf("%v, want context.Canceled", err)
				}
			})
		}
		r.settled(100)
		cancel()
		wg.Wait()
	})
}

// TestFaultyKernel guards goroutines that wait against what a simulated kernel does to their
// operations, wake-ups and events, none of which is theirs to see.
func TestFaultyKernel(t *testing.T) {
	for seed := range uint64(scale(40)) {
		f := sim.Swarm(seed)
		f.Error, f.Short = 0, 0
		d := lane{drive: DriveThread, kernel: func(testing.TB) kernel {
			return &simKernel{cfg: sim.Config{Seed: seed,
				Faults: f}}
		}}
		r := startRuntime(t, d, Options{QueueEntries: 1 << (seed % 6)})
		traffic(r, 8, 100)
		if t.Failed() {
			t.Fatalf("%v", r.kernel.(*simKernel).Sim)
		}
	}
}

// TestManyReady guards that many completions that are ready at once all come, without another event
// to push them: a ring with DEFER_TASKRUN brings 20 at a time.
func TestManyReady(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		const n = 150
		got := 0
		var wrs []int
		for range n {
			rd, wr := r.pipe()
			wrs = append(wrs, wr)
			r.submit(read(rd, make([]byte, 1)), count(&got))
		}
		r.run(NoWait)
		if err := r.l.Post(func() { // the loop does not look at the ring while all of them become ready
			for _, wr := range wrs {
				r.put(wr, 1)
			}
		}); err != nil {
			t.Fatal(err)
		}
		turns := 0
		for ; got < n && turns < n; turns++ {
			r.run(NoWait)
			time.Sleep(100 * time.Microsecond)
		}
		if got != n {
			t.Fatalf("%d of %d came in %d turns", got, n, turns)
		}
		t.Logf("%d turns", turns)
	})
}

// TestBackendLost guards that a backend that fails takes no caller down with it: every operation in
// flight, queued or submitted later ends with an error that wraps the backend's, and Close works.
func TestBackendLost(t *testing.T) {
	lost := errors.New("the ring is gone")
	var fail atomic.Bool
	o := withShim(Options{}, func(s *shim) {
		fail.Store(false)
		s.poll = func(dst []backends.Event, deadline int64) (int, error) {
			if !fail.Load() {
				return s.Backend.Poll(dst, deadline)
			}
			if sim, ok := s.Backend.(*sim.Sim); ok {
				sim.Fail(lost) // or it would complain about what is in flight when it is closed
			}
			return 0, fmt.Errorf("poll: %w", lost)
		}
	})
	t.Run("Do", func(t *testing.T) {
		eachDrive(t, o, func(t *testing.T, r *rig) {
			r.keep = true
			var wg sync.WaitGroup
			var running sync.WaitGroup
			check := func(what string, f func() error) {
				running.Add(1)
				wg.Go(func() {
					running.Done()
					if err := f(); !errors.Is(err, lost) {
						t.Errorf("%s: %v does not wrap the backend's error", what, err)
					}
				})
			}
			rd, _ := r.pipe()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for range 20 {
				check("read", func() error { _, err := r.do(ctx, read(rd, make([]byte, 1))); return err })
				check("sleep", func() error {
					c := &Completion{Op: backends.Op{Code: backends.OpTimeout}}
					c.SetDeadline(1<<63 - 1)
					return r.l.Do(context.Background(), c)
				})
			}
			release := make(chan struct{})
			blocked, blockedErr := make(chan struct{}), make(chan error, 1)
			b := &Completion{Callback: func(c *Completion) Action { blockedErr <- c.Err(); return Disarm }}
			if err := r.l.Blocking(b, func() { close(blocked); <-release }); err != nil {
				t.Fatal(err)
			}
			<-blocked
			r.settled(41)
			fail.Store(true)
			check("the one that finds out", func() error { _, err := r.do(context.Background(), nop()); return err })
			wg.Wait()
			for range 3 {
				check("later", func() error { _, err := r.do(context.Background(), nop()); return err })
			}
			wg.Wait()
			select {
			case err := <-blockedErr:
				t.Errorf("a blocking function that still runs is reported over: %v", err)
			default:
			}
			close(release)
			if err := <-blockedErr; err != nil {
				t.Errorf("a blocking function that was done: %v", err)
			}
			idle := false
			for range 5 { // nothing happens any more: no goroutine may burn a processor
				begin, used := time.Now(), cpuTime()
				time.Sleep(20 * time.Millisecond)
				idle = idle || cpuTime()-used < time.Since(begin)/2
			}
			if !idle {
				t.Error("the loop spins after its backend was lost")
			}
		})
	})
	t.Run("Callback", func(t *testing.T) {
		eachLoop(t, o, func(t *testing.T, r *rig) {
			r.keep = true
			rd, _ := r.pipe()
			var errs []error
			calls := 0
			again := func(c *Completion) Action { // one that never gives up
				calls++
				errs = append(errs, c.Err())
				return Rearm
			}
			r.submit(read(rd, make([]byte, 1)), again)
			r.submit(nop(), func(c *Completion) Action { fail.Store(true); return Disarm })
			for range 5 {
				if err := r.l.Run(UntilDone); !errors.Is(err, lost) {
					t.Fatalf("Run: %v does not wrap the backend's error", err)
				}
			}
			for _, err := range errs {
				if !errors.Is(err, lost) {
					t.Errorf("a callback got %v", err)
				}
			}
			if calls < 1 {
				t.Error("the callback of the operation in flight did not run")
			}
		})
	})
}

// TestBindFails guards that a loop whose backend does not work on its thread says so from Run,
// fails what was submitted, and can be closed.
func TestBindFails(t *testing.T) {
	broken := errors.New("denied")
	var s *brokenBind
	o := Options{OpenBackend: func(bool) (backends.Backend, error) {
		be, err := opening()
		s = &brokenBind{shim: shim{Backend: be}, err: broken}
		return s, err
	}}
	t.Run("NewLoop", func(t *testing.T) {
		eachLoop(t, o, func(t *testing.T, r *rig) {
			r.keep = true
			var got error
			r.submit(nop(), func(c *Completion) Action { got = c.Err(); return Disarm })
			if err := r.l.Run(UntilDone); !errors.Is(err, broken) {
				t.Errorf("Run: %v", err)
			}
			if !errors.Is(got, broken) {
				t.Errorf("the operation ended with %v", got)
			}
			if err := r.l.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if !s.closed.Load() {
				t.Error("the backend was not closed")
			}
		})
	})
	t.Run("New", func(t *testing.T) {
		for _, d := range drives() {
			if d.drive != DriveThread {
				continue
			}
			t.Run(d.name, func(t *testing.T) {
				o := o
				newRig(t, d, &o)
				o.Drive, o.Loops = d.drive, 1
				_, err := New(o)
				if u := (unavailable{}); errors.As(err, &u) {
					t.Skip(err)
				}
				if !errors.Is(err, broken) {
					t.Errorf("New: %v", err)
				}
				if !s.closed.Load() {
					t.Error("the backend was not closed")
				}
			})
		}
	})
}

type brokenBind struct {
	shim
	err error
}

func (b *brokenBind) Bind(bool) error { return b.err }

// TestLimit guards the bound on operations in flight: Do waits for room as long as its context
// lasts, Submit does not wait, and no room is lost on the way.
func TestLimit(t *testing.T) {
	eachDrive(t, Options{MaxInFlight: 4}, func(t *testing.T, r *rig) {
		var wg sync.WaitGroup
		idle, _ := r.pipe()
		occupy := func() (leave func()) { // all the room there is
			var all []*Completion
			for range 4 {
				c := &Completion{Op: read(idle, make([]byte, 1))}
				all = append(all, c)
				wg.Go(func() {
					if err := r.l.Do(context.Background(), c); err != ErrCanceled && err != ErrClosed {
						t.Errorf("read: %v", err)
					}
				})
			}
			r.settled(4)
			return func() {
				for _, c := range all {
					r.l.Cancel(c)
				}
			}
		}
		for range scale(20) {
			leave := occupy()
			c := &Completion{Op: nop(), Callback: func(*Completion) Action {
				t.Error("the callback of a Completion that was refused runs")
				return Disarm
			}}
			if err := r.l.Submit(c); err != ErrBusy {
				t.Fatalf("Submit at the bound: %v, want ErrBusy", err)
			}
			if c.InFlight() {
				t.Fatal("a Completion that was refused is in flight")
			}
			if err := r.l.Post(func() {}); err != ErrBusy {
				t.Fatalf("Post at the bound: %v, want ErrBusy", err)
			}
			cause := errors.New("enough")
			ctx, cancel := context.WithCancelCause(context.Background())
			var waiting sync.WaitGroup
			for range 10 {
				waiting.Go(func() {
					if _, err := r.do(ctx, nop()); err != cause {
						t.Errorf("Do that waits for room under a context that ends: %v, want its cause", err)
					}
				})
			}
			for range 10 {
				wg.Go(func() { r.mustDo(nop()) })
			}
			time.Sleep(time.Millisecond)
			cancel(cause)
			waiting.Wait()
			leave()
			wg.Wait()
		}
		r.settled(0)
		occupy()
		wg.Go(func() {
			if _, err := r.do(context.Background(), nop()); err != ErrClosed {
				t.Errorf("Do that waited for room when the runtime closed: %v", err)
			}
		})
		time.Sleep(time.Millisecond)
		if err := r.rt.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}
