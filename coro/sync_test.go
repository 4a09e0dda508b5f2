package coro

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/backends/sim"
	aiort "github.com/weirgo/weir/runtime"
)

// two starts two schedulers and calls f.
func two(t *testing.T, f func(t *testing.T, a, b *rig)) {
	a := onSim(t, sim.Config{Seed: 1, Trace: -1}, aiort.Options{}, Options{})
	b := onSystem(t, Options{Budget: 3})
	f(t, a, b)
}

// TestFIFO guards that the waiter that has waited longest for a lock, a token or a value is served
// first, and that Try does not overtake.
func TestFIFO(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		type lock struct {
			lock   func(t *Task) error
			unlock func()
			try    func() bool
		}
		var mu Mutex
		var rw RWMutex
		sem := NewSemaphore(2)
		for what, l := range map[string]lock{
			"mutex":   {func(t *Task) error { return mu.Lock(t) }, mu.Unlock, mu.TryLock},
			"rwmutex": {func(t *Task) error { return rw.Lock(t) }, rw.Unlock, rw.TryRLock},
			"semaphore": {func(t *Task) error { return sem.Acquire(t, 2) }, func() { sem.Release(2) },
				func() bool { return sem.TryAcquire(1) }},
		} {
			r.do(func(task *Task) {
				var order []int
				if err := l.lock(task); err != nil {
					t.Fatal(err)
				}
				var hs []*Handle[int]
				for i := range 5 {
					h := child(task, func(task *Task) {
						if l.lock(task) == nil {
							order = append(order, i)
							l.unlock()
						}
					})
					waiting(task, h)
					hs = append(hs, h)
				}
				hs[1].task.cancel(ErrCanceled)
				hs[4].task.cancel(ErrCanceled)
				l.unlock()
				if l.try() {
					t.Errorf("%s: overtaken by a Try", what)
				}
				for _, h := range hs {
					h.Wait(task)
				}
				if !slices.Equal(order, []int{0, 2, 3}) {
					t.Errorf("%s: served in the order %v", what, order)
				}
				if !l.try() {
					t.Errorf("%s: not free in the end", what)
				}
			})
		}
		r.do(func(task *Task) {
			q := NewQueue[int](1)
			var got, sent []int
			for i := range 4 {
				h := child(task, func(task *Task) {
					if q.Send(task, i) == nil {
						sent = append(sent, i)
					}
				})
				for h.task.state != stateWaiting && !h.Over() {
					task.Yield()
				}
			}
			for range 4 {
				v, err := q.Recv(task)
				if err != nil {
					t.Error(err)
				}
				got = append(got, v)
				task.Yield()
			}
			if want := []int{0, 1, 2, 3}; !slices.Equal(got, want) || !slices.Equal(sent, want) {
				t.Errorf("sent %v, received %v", sent, got)
			}
			got = nil
			var hs []*Handle[int]
			for i := range 3 {
				h := child(task, func(task *Task) {
					if v, err := q.Recv(task); err == nil {
						got = append(got, i*10+v)
					}
				})
				waiting(task, h)
				hs = append(hs, h)
			}
			hs[0].task.cancel(ErrCanceled)
			q.Send(task, 1)
			q.Send(task, 2)
			for _, h := range hs {
				h.Wait(task)
			}
			if !slices.Equal(got, []int{11, 22}) {
				t.Errorf("received %v", got)
			}
		})
	})
}

// TestRWMutexReaders guards that readers share, stand behind a writer that waits, and go on when
// that gives up.
func TestRWMutexReaders(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			var m RWMutex
			first, second := m.RLock(task), m.RLock(task)
			if first != nil || second != nil || !m.TryRLock() || m.TryLock() {
				t.Fatal("readers do not share, or a writer joins them")
			}
			writer := failing(task, func(task *Task) error { return m.Lock(task) })
			waiting(task, writer)
			reader := failing(task, func(task *Task) error { return m.RLock(task) })
			waiting(task, reader)
			if m.TryRLock() {
				t.Error("a reader has overtaken a writer")
			}
			writer.task.cancel(ErrCanceled)
			if _, err := reader.Wait(task); err != nil {
				t.Errorf("the reader behind a writer that gave up: %v", err)
			}
			for range 4 {
				m.RUnlock()
			}
			if !m.TryLock() {
				t.Error("not free")
			}
			m.Unlock()
			for what, f := range map[string]func(){"RUnlock": m.RUnlock, "Unlock": m.Unlock, "Mutex": new(Mutex).Unlock,
				"Release": func() { NewSemaphore(1).Release(1) }, "Done": func() { new(WaitGroup).Done() },
				"NewQueue": func() { NewQueue[int](-1) }, "NewSemaphore": func() { NewSemaphore(-1) }} {
				func() {
					defer func() {
						if recover() == nil {
							t.Errorf("%s too many does not panic", what)
						}
					}()
					f()
				}()
			}
			if err := NewSemaphore(1).Acquire(task, 2); err == nil {
				t.Error("more tokens than there are")
			}
			// A waiter that wants less stands behind one that wants more, and goes on when that
			// gives up.
			s := NewSemaphore(3)
			s.Acquire(task, 2)
			big := failing(task, func(task *Task) error { return s.Acquire(task, 3) })
			waiting(task, big)
			small := failing(task, func(task *Task) error { return s.Acquire(task, 1) })
			waiting(task, small)
			big.task.cancel(ErrCanceled)
			if _, err := small.Wait(task); err != nil {
				t.Error(err)
			}
		})
	})
}

// TestQueueClose guards that Close ends the waits, keeps what is inside, and that senders and
// receivers learn of it.
func TestQueueClose(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			q := NewQueue[int](2)
			recv := failing(task, func(task *Task) error { _, err := NewQueue[int](0).Recv(task); return err })
			_ = recv
			if q.Cap() != 2 || !q.TrySend(1) || !q.TrySend(2) || q.TrySend(3) || q.Len() != 2 {
				t.Fatal("capacity")
			}
			s := failing(task, func(task *Task) error { return q.Send(task, 3) })
			waiting(task, s)
			q.Close()
			q.Close()
			if _, err := s.Wait(task); err != ErrClosed {
				t.Errorf("a Send that waits: %v", err)
			}
			if err := q.Send(task, 4); err != ErrClosed || q.TrySend(4) {
				t.Errorf("Send: %v", err)
			}
			if v, err := q.Recv(task); v != 1 || err != nil {
				t.Errorf("what is inside: %d, %v", v, err)
			}
			if v, ok := q.TryRecv(); v != 2 || !ok {
				t.Errorf("what is inside: %d, %v", v, ok)
			}
			if _, err := q.Recv(task); err != ErrClosed {
				t.Errorf("Recv: %v", err)
			}
			if _, ok := q.TryRecv(); ok {
				t.Error("TryRecv of nothing")
			}
			e := NewQueue[int](0)
			w := failing(task, func(task *Task) error { _, err := e.Recv(task); return err })
			waiting(task, w)
			e.Close()
			if _, err := w.Wait(task); err != ErrClosed {
				t.Errorf("a Recv that waits: %v", err)
			}
			recv.Cancel()
		})
	})
}

// TestZigAioQueue: in zig-aio a Recv takes the queue's token and may be cancelled before it takes
// the value. Then a value stays inside that no waiter is woken for. Here a Recv that is cancelled
// has taken nothing, and the next one gets it.
func TestZigAioQueue(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		r.do(func(task *Task) {
			for i := range scale(1000) {
				q := NewQueue[int](i % 2)
				first := failing(task, func(task *Task) error { _, err := q.Recv(task); return err })
				second := failing(task, func(task *Task) error { _, err := q.Recv(task); return err })
				waiting(task, first, second)
				if i%4 < 2 {
					q.TrySend(1)
					first.task.cancel(ErrCanceled)
				} else {
					first.task.cancel(ErrCanceled)
					q.TrySend(1)
				}
				if _, err := first.Wait(task); err != nil {
					if _, err := second.Wait(task); err != nil {
						t.Fatalf("round %d: nobody has the value: %v", i, err)
					}
				} else if second.Over() || q.Len() != 0 {
					t.Fatalf("round %d: both have it", i)
				}
				second.task.cancel(ErrCanceled)
				second.Wait(task)
			}
		})
	})
}

// TestAcrossThreads guards queues, locks and events between coroutines of two schedulers and
// goroutines, with cancellations all the time: no value is lost or doubled, no lock is held twice,
// and no wait lasts for ever.
func TestAcrossThreads(t *testing.T) {
	two(t, func(t *testing.T, a, b *rig) {
		for _, capacity := range []int{0, 1, 7} {
			q := NewQueue[int](capacity)
			var mu Mutex
			var rw RWMutex
			sem := NewSemaphore(3)
			inside, tokens := 0, atomic.Int64{}
			written, senders := 0, WaitGroup{}
			seen := make([]atomic.Int32, 1+6*scale(600))
			var sent atomic.Int64
			n := (len(seen) - 1) / 6
			work := func(ctx context.Context, base int) {
				for i := range n {
					short, cancel := context.WithTimeout(ctx, time.Duration(i%7)*10*time.Microsecond)
					switch err := q.Send(short, base+i); {
					case err == nil:
						sent.Add(1)
					case errors.Is(err, context.DeadlineExceeded):
						seen[base+i].Add(100)
					default:
						t.Error(err)
					}
					if mu.Lock(short) == nil {
						if inside++; inside != 1 {
							t.Error("two hold the Mutex")
						}
						runtime.Gosched()
						inside--
						mu.Unlock()
					}
					if i%2 == 0 && rw.Lock(short) == nil {
						written++
						rw.Unlock()
					} else if rw.RLock(short) == nil {
						_ = written
						rw.RUnlock()
					}
					if sem.Acquire(short, int64(1+i%3)) == nil {
						if tokens.Add(int64(1+i%3)) > 3 {
							t.Error("too many tokens")
						}
						tokens.Add(-int64(1 + i%3))
						sem.Release(int64(1 + i%3))
					}
					cancel()
				}
				senders.Done()
			}
			receive := func(ctx context.Context) {
				for {
					v, err := q.Recv(ctx)
					if err != nil {
						if err != ErrClosed {
							t.Error(err)
						}
						return
					}
					seen[v].Add(1)
				}
			}
			senders.Add(6)
			var all sync.WaitGroup
			for i := range 6 {
				switch i % 3 {
				case 0:
					all.Go(func() { work(context.Background(), i*n) })
					all.Go(func() { receive(context.Background()) })
				default:
					r := []*rig{a, b}[i%3-1]
					h, g := r.spawn(func(task *Task) { work(task, i*n) }), r.spawn(func(task *Task) { receive(task) })
					all.Go(func() { r.wait(h); r.wait(g) })
				}
			}
			if err := senders.Wait(context.Background()); err != nil {
				t.Error(err)
			}
			q.Close()
			all.Wait()
			for i := range seen[:6*n] {
				if c := seen[i].Load(); c != 1 && c != 100 {
					t.Errorf("capacity %d: value %d was received %d times, and not sent %d times", capacity, i, c%100,
						c/100)
				}
			}
			if !mu.TryLock() || !rw.TryLock() || !sem.TryAcquire(3) {
				t.Error("something is still held")
			}
			if sent.Load() == 0 {
				t.Error("nothing was sent: this test has tested nothing")
			}
		}
	})
}

// TestEvent guards Set, Reset and waiting by all kinds of callers.
func TestEvent(t *testing.T) {
	two(t, func(t *testing.T, a, b *rig) {
		for range scale(500) {
			var e Event
			var wg sync.WaitGroup
			var order sync.Mutex
			woken := 0
			note := func(err error) {
				order.Lock()
				defer order.Unlock()
				if woken++; err != nil {
					t.Error(err)
				}
			}
			for range 2 {
				wg.Go(func() { note(e.Wait(context.Background())) })
				for _, r := range []*rig{a, b} {
					h := r.spawn(func(task *Task) { note(e.Wait(task)) })
					wg.Go(func() { r.wait(h) })
				}
			}
			e.Set()
			wg.Wait()
			if woken != 6 || !e.IsSet() || e.Wait(context.Background()) != nil {
				t.Fatalf("%d woken", woken)
			}
			e.Reset()
			gone, cancel := context.WithCancel(context.Background())
			cancel()
			if err := e.Wait(gone); err != context.Canceled {
				t.Fatal(err)
			}
		}
	})
}

// TestOnce guards that one caller runs the function, which may wait, and the others wait for it,
// also if it panics.
func TestOnce(t *testing.T) {
	two(t, func(t *testing.T, a, b *rig) {
		var o, bad Once
		var wg sync.WaitGroup
		runs := 0
		for range 4 {
			for _, r := range []*rig{a, b} {
				h := r.spawn(func(task *Task) {
					if err := o.Do(task, func() { task.Sleep(time.Millisecond); runs++ }); err != nil || runs != 1 {
						t.Error(err, runs)
					}
				})
				wg.Go(func() { r.wait(h) })
			}
			wg.Go(func() {
				if err := o.Do(context.Background(), func() { runs++ }); err != nil || runs != 1 {
					t.Error(err, runs)
				}
			})
		}
		wg.Wait()
		func() {
			defer func() { recover() }()
			bad.Do(context.Background(), func() { panic(1) })
		}()
		if err := bad.Do(context.Background(), func() { t.Error("again") }); err != nil {
			t.Error(err)
		}
	})
}
