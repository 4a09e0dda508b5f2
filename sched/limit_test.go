package sched_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/sched"
)

var bg = context.Background()

func TestLimitTokens(t *testing.T) {
	l := sched.NewLimit(3)
	if l.Max() != 3 || l.InUse() != 0 {
		t.Fatalf("Max = %d, InUse = %d", l.Max(), l.InUse())
	}
	if !l.TryAcquire() || l.Acquire(bg) != nil || !l.TryAcquire() || l.TryAcquire() {
		t.Error("want 3 tokens, no more")
	}
	l.Release(0)
	if l.InUse() != 3 || l.TryAcquire() {
		t.Error("Release(0) gave something back")
	}
	l.Release(2)
	if l.InUse() != 1 || !l.TryAcquire() || !l.TryAcquire() || l.TryAcquire() {
		t.Error("want 2 tokens after Release(2)")
	}

	huge := sched.NewLimit(math.MaxInt64)
	if huge.Max() != math.MaxInt64 || !huge.TryAcquire() || huge.InUse() != 1 {
		t.Error("a Limit of MaxInt64 does not work")
	}
}

func TestLimitMisuse(t *testing.T) {
	mustPanic(t, "at least 1", func() { sched.NewLimit(0) })
	l := sched.NewLimit(2)
	mustPanic(t, "Release(1) with 0", func() { l.Release(1) })
	l.TryAcquire()
	mustPanic(t, "Release(2) with 1", func() { l.Release(2) })
	mustPanic(t, "Release(-1)", func() { l.Release(-1) })
	if l.InUse() != 1 {
		t.Errorf("InUse = %d after the panics, want 1", l.InUse())
	}
	// The same while somebody waits.
	l.TryAcquire()
	got := acquire(l, bg)
	await(t, l, 1)
	mustPanic(t, "Release(3) with 2", func() { l.Release(3) })
	if l.InUse() != 2 || l.Waiting() != 1 {
		t.Errorf("InUse = %d, %d waiters after the panic", l.InUse(), l.Waiting())
	}
	l.Release(1)
	if err := result(t, got); err != nil {
		t.Error(err)
	}
	// And after Close.
	l.Close()
	l.Release(2)
	mustPanic(t, "Release(1) with 0", func() { l.Release(1) })
}

// acquire calls Acquire in a goroutine and returns where its result will be.
func acquire(l *sched.Limit, ctx context.Context) <-chan error {
	c := make(chan error, 1)
	go func() { c <- l.Acquire(ctx) }()
	return c
}

// result returns what an Acquire returned, and fails if it still waits.
func result(t *testing.T, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("Acquire still waits")
		return nil
	}
}

// await waits until n Acquires are in line.
func await(t *testing.T, l *sched.Limit, n int) {
	t.Helper()
	eventually(t, "all wait", func() bool { return l.Waiting() == n })
}

func TestLimitFIFO(t *testing.T) {
	const n = 8
	l := sched.NewLimit(2)
	l.TryAcquire()
	l.TryAcquire()
	var got [n]<-chan error
	for i := range got {
		got[i] = acquire(l, bg)
		await(t, l, i+1)
	}
	for i := range got {
		l.Release(1)
		if err := result(t, got[i]); err != nil {
			t.Fatalf("waiter %d: %v", i, err)
		}
		if l.Waiting() != n-1-i {
			t.Fatalf("%d waiters after %d releases", l.Waiting(), i+1)
		}
	}
	if l.InUse() != 2 {
		t.Errorf("InUse = %d, want 2", l.InUse())
	}
}

// A token that is released while somebody waits is gone before Release returns: neither TryAcquire nor a
// later Acquire gets in front, even if the waiter has not run yet.
func TestLimitNoOvertaking(t *testing.T) {
	l := sched.NewLimit(1)
	l.TryAcquire()
	first := acquire(l, bg)
	await(t, l, 1)
	second := acquire(l, bg)
	await(t, l, 2)
	l.Release(1)
	if l.TryAcquire() {
		t.Error("TryAcquire overtook a waiter")
	}
	if l.Waiting() != 1 || l.InUse() != 1 {
		t.Errorf("%d waiters, InUse = %d, want 1, 1", l.Waiting(), l.InUse())
	}
	if err := result(t, first); err != nil {
		t.Error(err)
	}
	select {
	case err := <-second:
		t.Errorf("second Acquire = %v with no token left", err)
	default:
	}
	l.Release(1)
	if err := result(t, second); err != nil {
		t.Error(err)
	}
	l.Release(1)
	if !l.TryAcquire() {
		t.Error("with the last waiter gone, TryAcquire still fails")
	}
}

// One Release for several waiters, with tokens to spare.
func TestLimitReleaseMany(t *testing.T) {
	const limit = 6
	l := sched.NewLimit(limit)
	for range limit {
		l.TryAcquire()
	}
	var got [3]<-chan error
	for i := range got {
		got[i] = acquire(l, bg)
		await(t, l, i+1)
	}
	l.Release(5)
	if l.InUse() != limit-5+3 || l.Waiting() != 0 {
		t.Errorf("InUse = %d, %d waiters, want %d, 0", l.InUse(), l.Waiting(), limit-5+3)
	}
	for _, c := range got {
		if err := result(t, c); err != nil {
			t.Error(err)
		}
	}
	for i, want := range []bool{true, true, false} {
		if got := l.TryAcquire(); got != want {
			t.Errorf("token %d of the 2 left over: %v", i+1, got)
		}
	}
}

func TestLimitContext(t *testing.T) {
	done, cancel := context.WithCancel(bg)
	cancel()
	l := sched.NewLimit(1)
	if err := l.Acquire(done); err != context.Canceled || l.InUse() != 0 {
		t.Errorf("Acquire with a done context = %v, InUse = %d", err, l.InUse())
	}
	l.TryAcquire()
	if err := l.Acquire(done); err != context.Canceled || l.Waiting() != 0 {
		t.Errorf("Acquire with a done context = %v, %d waiters", err, l.Waiting())
	}

	// The one in the middle gives up.
	ctx, cancel := context.WithCancel(bg)
	first := acquire(l, bg)
	await(t, l, 1)
	middle := acquire(l, ctx)
	await(t, l, 2)
	last := acquire(l, bg)
	await(t, l, 3)
	cancel()
	if err := result(t, middle); err != context.Canceled {
		t.Errorf("Acquire = %v, want context.Canceled", err)
	}
	if l.TryAcquire() || l.Waiting() != 2 || l.InUse() != 1 {
		t.Errorf("after a cancel: %d waiters, InUse = %d", l.Waiting(), l.InUse())
	}
	l.Release(1)
	if err := result(t, first); err != nil {
		t.Error(err)
	}
	l.Release(1)
	if err := result(t, last); err != nil {
		t.Error(err)
	}

	// The only one gives up: the quick paths are open again.
	ctx, cancel = context.WithTimeout(bg, time.Millisecond)
	defer cancel()
	if err := l.Acquire(ctx); err != context.DeadlineExceeded {
		t.Errorf("Acquire = %v, want context.DeadlineExceeded", err)
	}
	l.Release(1)
	if !l.TryAcquire() {
		t.Error("the token is lost after a cancel")
	}
}

func TestLimitClose(t *testing.T) {
	l := sched.NewLimit(2)
	l.TryAcquire()
	l.TryAcquire()
	a := acquire(l, bg)
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	b := acquire(l, ctx)
	await(t, l, 2)
	l.Close()
	for _, c := range []<-chan error{a, b} {
		if err := result(t, c); err != sched.ErrLimitClosed {
			t.Errorf("a waiting Acquire = %v, want ErrLimitClosed", err)
		}
	}
	l.Release(1)
	if err := l.Acquire(bg); err != sched.ErrLimitClosed {
		t.Errorf("a later Acquire = %v, want ErrLimitClosed", err)
	}
	cancel()
	if err := l.Acquire(ctx); err != sched.ErrLimitClosed {
		t.Errorf("a later Acquire with a done context = %v, want ErrLimitClosed", err)
	}
	if l.TryAcquire() {
		t.Error("TryAcquire after Close")
	}
	l.Close()
	l.Release(1)
	if l.InUse() != 0 || l.TryAcquire() || l.Acquire(bg) != sched.ErrLimitClosed {
		t.Error("a closed limit came back to life when it was empty")
	}
}

// Acquire, TryAcquire, batched Release and cancellation at random times, all at once: never more than
// max tokens out, and in the end none is lost and none is left over.
func TestLimitStorm(t *testing.T) {
	for _, limit := range []int64{1, 3, 64} {
		const goroutines, rounds = 16, 500
		l := sched.NewLimit(limit)
		seed := rand.Uint64()
		t.Logf("max %d, seed %d", limit, seed)
		var out, acquired, cancelled, tried atomic.Int64
		took := func() {
			if n := out.Add(1); n > limit {
				t.Errorf("max %d: %d tokens out", limit, n)
			}
			if n := l.InUse(); n < 1 || n > limit {
				t.Errorf("max %d: InUse = %d while a token is out", limit, n)
			}
		}
		give := func(n int64) {
			out.Add(-n)
			l.Release(n)
		}
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(g)))
				for range rounds {
					held := int64(0)
					switch rng.IntN(4) {
					case 0:
						if l.TryAcquire() {
							took()
							tried.Add(1)
							held++
						}
					case 1:
						if err := l.Acquire(bg); err != nil {
							t.Error(err)
							return
						}
						took()
						held++
						if l.TryAcquire() { // a batch of two
							took()
							held++
						}
					default:
						ctx, cancel := context.WithCancel(bg)
						if spins := rng.IntN(4); spins > 0 {
							go func() {
								for range spins {
									runtime.Gosched()
								}
								cancel()
							}()
						} else {
							cancel()
						}
						switch err := l.Acquire(ctx); err {
						case nil:
							took()
							acquired.Add(1)
							held++
						case context.Canceled:
							cancelled.Add(1)
						default:
							t.Error(err)
						}
						cancel()
					}
					if rng.IntN(2) == 0 {
						runtime.Gosched()
					}
					give(held)
				}
			})
		}
		within(t, 20*time.Second, "storm", wg.Wait)
		if l.InUse() != 0 || l.Waiting() != 0 {
			t.Fatalf("max %d: InUse = %d, %d waiters at the end", limit, l.InUse(), l.Waiting())
		}
		n := int64(0)
		for l.TryAcquire() {
			n++
		}
		if n != limit {
			t.Errorf("max %d: %d tokens at the end", limit, n)
		}
		t.Logf("max %d: %d acquired, %d cancelled, %d tried", limit, acquired.Load(), cancelled.Load(), tried.Load())
	}
}

// A cancel and a Release at the same moment: whichever wins, the token is either the caller's or free.
func TestLimitCancelRace(t *testing.T) {
	l := sched.NewLimit(1)
	won := 0
	for i := range 2000 {
		l.TryAcquire()
		ctx, cancel := context.WithCancel(bg)
		got := acquire(l, ctx)
		for l.Waiting() != 1 {
			runtime.Gosched()
		}
		released := make(chan struct{})
		go func() {
			l.Release(1)
			close(released)
		}()
		if i%2 == 0 {
			runtime.Gosched()
		}
		cancel()
		err := result(t, got)
		<-released
		switch {
		case err == nil && l.InUse() == 1:
			won++
			l.Release(1)
		case err == context.Canceled && l.InUse() == 0:
		default:
			t.Fatalf("round %d: Acquire = %v, InUse = %d", i, err, l.InUse())
		}
	}
	t.Logf("the token won %d times of 2000", won)
}

// Close in the middle of traffic: everybody comes back, and the tokens add up.
func TestLimitCloseRace(t *testing.T) {
	for range 200 {
		l := sched.NewLimit(2)
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for {
					if err := l.Acquire(bg); err != nil {
						if !errors.Is(err, sched.ErrLimitClosed) {
							t.Error(err)
						}
						return
					}
					runtime.Gosched()
					l.Release(1)
				}
			})
		}
		runtime.Gosched()
		l.Close()
		within(t, 10*time.Second, "Acquire after Close", wg.Wait)
		if l.InUse() != 0 || l.Waiting() != 0 {
			t.Fatalf("InUse = %d, %d waiters after Close", l.InUse(), l.Waiting())
		}
	}
}

func TestLimitAllocs(t *testing.T) {
	l := sched.NewLimit(1)
	mustNotAllocate(t, "Acquire of a free token", func() {
		if err := l.Acquire(bg); err != nil {
			t.Error(err)
		}
		l.Release(1)
		l.TryAcquire()
		l.Release(1)
	})
	// A wait takes its record from a pool.
	ctx, cancel := context.WithCancel(bg)
	defer cancel()
	l.TryAcquire()
	ask, ack := make(chan struct{}), make(chan error)
	defer close(ask)
	go func() {
		for range ask {
			ack <- l.Acquire(ctx)
		}
	}()
	mustNotAllocate(t, "Acquire that waits", func() {
		ask <- struct{}{}
		for l.Waiting() == 0 {
			runtime.Gosched()
		}
		l.Release(1)
		if err := <-ack; err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkLimit(b *testing.B) {
	b.Run("try", func(b *testing.B) {
		l := sched.NewLimit(1)
		for b.Loop() {
			l.TryAcquire()
			l.Release(1)
		}
	})
	b.Run("acquire", func(b *testing.B) {
		b.ReportAllocs()
		ctx, cancel := context.WithCancel(bg)
		defer cancel()
		l := sched.NewLimit(1)
		for b.Loop() {
			if err := l.Acquire(ctx); err != nil {
				b.Fatal(err)
			}
			l.Release(1)
		}
	})
	b.Run("parallel", func(b *testing.B) { // enough tokens for all
		l := sched.NewLimit(1 << 20)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_ = l.Acquire(bg)
				l.Release(1)
			}
		})
	})
	b.Run("waiting", func(b *testing.B) { // 16 goroutines share a token: every Acquire waits
		b.ReportAllocs()
		l := sched.NewLimit(1)
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_ = l.Acquire(bg)
				l.Release(1)
			}
		})
	})
}
