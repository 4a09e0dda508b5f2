package sched_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirgo/weir/sched"
)

// Several tokens come together or not at all, and those who want few do not get past one who waits for many.
func TestLimitMany(t *testing.T) {
	l := sched.NewLimit(4)
	if !l.TryAcquireN(3) || l.TryAcquireN(2) || l.InUse() != 3 {
		t.Fatalf("3 and then 2 of 4 tokens: %d in use", l.InUse())
	}
	many := acquireN(l, bg, 4)
	await(t, l, 1)
	few := acquireN(l, bg, 1)
	await(t, l, 2)
	if l.TryAcquire() {
		t.Fatal("TryAcquire got past those in line")
	}
	l.Release(2)
	if l.InUse() != 1 {
		t.Fatalf("%d in use, want 1: what is free stays free until it is enough", l.InUse())
	}
	l.Release(1)
	if err := result(t, many); err != nil || l.InUse() != 4 {
		t.Fatalf("many: %v, %d in use", err, l.InUse())
	}
	l.Release(1)
	if err := result(t, few); err != nil || l.InUse() != 4 {
		t.Fatalf("few: %v, %d in use", err, l.InUse())
	}
	l.Release(4)
	if l.InUse() != 0 || !l.TryAcquireN(4) {
		t.Errorf("%d in use at the end, or the limit stays slow", l.InUse())
	}
}

// One who gives up waiting for many makes way for those behind who want what is there.
func TestLimitManyGivesUp(t *testing.T) {
	l := sched.NewLimit(4)
	l.TryAcquireN(2)
	ctx, cancel := context.WithCancel(bg)
	many := acquireN(l, ctx, 4)
	await(t, l, 1)
	few := acquireN(l, bg, 2)
	await(t, l, 2)
	cancel()
	if err := result(t, many); err != context.Canceled {
		t.Fatalf("many: %v", err)
	}
	if err := result(t, few); err != nil || l.InUse() != 4 {
		t.Fatalf("few: %v, %d in use", err, l.InUse())
	}
	l.Release(4)
	if !l.TryAcquireN(4) {
		t.Error("the limit stays slow with nobody in line")
	}
}

func TestLimitManyMisuse(t *testing.T) {
	l := sched.NewLimit(4)
	for name, f := range map[string]func(){
		"TryAcquireN(0)": func() { l.TryAcquireN(0) },
		"AcquireN(0)":    func() { l.AcquireN(bg, 0) },
		"AcquireN(5)":    func() { l.AcquireN(bg, 5) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			f()
		}()
	}
	if l.InUse() != 0 {
		t.Errorf("%d in use", l.InUse())
	}
	l.Close()
	if err := l.AcquireN(bg, 2); err != sched.ErrLimitClosed {
		t.Errorf("after Close: %v", err)
	}
}

// Batches of all sizes, some cancelled: never more than the maximum out, nobody waits for ever, nothing is left.
func TestLimitManyStorm(t *testing.T) {
	const limit, goroutines, rounds = 8, 12, 400
	l := sched.NewLimit(limit)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var out atomic.Int64
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(g)))
			for range rounds {
				n := 1 + rng.Int64N(limit)
				ctx, cancel := context.WithCancel(bg)
				if rng.IntN(2) == 0 {
					go cancel()
				}
				if l.AcquireN(ctx, n) == nil {
					if o := out.Add(n); o > limit {
						t.Errorf("%d tokens out", o)
					}
					out.Add(-n)
					l.Release(n)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if l.InUse() != 0 || !l.TryAcquireN(limit) {
		t.Errorf("%d in use at the end", l.InUse())
	}
}

func acquireN(l *sched.Limit, ctx context.Context, n int64) <-chan error {
	c := make(chan error, 1)
	go func() { c <- l.AcquireN(ctx, n) }()
	return c
}
