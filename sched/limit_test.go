package sched_test

import (
	"sync"
	"testing"

	"github.com/weirgo/weir/sched"
)

func TestLimitTokens(t *testing.T) {
	l := sched.NewLimit(3)
	if l.Max() != 3 || l.InUse() != 0 {
		t.Fatalf("Max = %d, InUse = %d", l.Max(), l.InUse())
	}
	if !l.TryAcquire() || !l.TryAcquireN(2) || l.TryAcquire() {
		t.Error("want 3 tokens, no more")
	}
	l.Release(0)
	if l.InUse() != 3 || l.TryAcquire() {
		t.Error("Release(0) gave something back")
	}
	l.Release(2)
	if l.InUse() != 1 || l.TryAcquireN(3) || !l.TryAcquireN(2) || l.TryAcquire() {
		t.Error("want 2 tokens after Release(2)")
	}
	l.Add(2)
	if l.InUse() != 5 || l.TryAcquire() {
		t.Error("Add takes what there is not")
	}
	l.Release(3)
	if l.InUse() != 2 || !l.TryAcquire() {
		t.Error("want 1 token when those beyond the limit are back")
	}

	huge := sched.NewLimit(1 << 60)
	if huge.Max() != 1<<60 || !huge.TryAcquireN(1<<60) || huge.InUse() != 1<<60 || huge.TryAcquire() {
		t.Error("the largest Limit does not work")
	}
}

func TestLimitMisuse(t *testing.T) {
	mustPanic(t, "want 1 to", func() { sched.NewLimit(0) })
	mustPanic(t, "want 1 to", func() { sched.NewLimit(1<<60 + 1) })
	l := sched.NewLimit(2)
	mustPanic(t, "want at least 1", func() { l.TryAcquireN(0) })
	mustPanic(t, "Release(1) with 0", func() { l.Release(1) })
	l.TryAcquire()
	mustPanic(t, "Release(2) with 1", func() { l.Release(2) })
	mustPanic(t, "Release(-1)", func() { l.Release(-1) })
	if l.InUse() != 1 {
		t.Errorf("InUse = %d after the panics, want 1", l.InUse())
	}
}

// While there is a line only what is first in it gets a token, and a token that is given back is
// due.
func TestLimitLine(t *testing.T) {
	l := sched.NewLimit(2)
	l.TryAcquire()
	l.Line(true)
	if l.TryAcquire() {
		t.Error("the line was overtaken")
	}
	if !l.Due() || !l.Take() {
		t.Error("no token for what is first in the line")
	}
	if l.Due() || l.Take() {
		t.Error("a token too many")
	}
	l.Release(1)
	if !l.Due() {
		t.Error("a token that was given back is not due")
	}
	l.Line(false)
	if l.Due() || !l.TryAcquire() {
		t.Error("the line is still there")
	}
}

func TestLimitClose(t *testing.T) {
	l := sched.NewLimit(2)
	l.TryAcquire()
	l.Close()
	l.Close()
	if l.TryAcquire() || l.Take() {
		t.Error("a token after Close")
	}
	l.Add(1)
	l.Release(2)
	if l.InUse() != 0 || l.TryAcquire() {
		t.Error("Release after Close opens the Limit again")
	}
}

// Tokens are neither lost nor made, and there are never more in use than there are.
func TestLimitStorm(t *testing.T) {
	const tokens, goroutines = 5, 8
	l := sched.NewLimit(tokens)
	rounds := 20_000
	if testing.Short() {
		rounds = 2_000
	}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range rounds {
				switch n := int64(1 + (g+i)%3); {
				case g == 0:
					l.Line(i%2 == 0)
					if l.Take() {
						l.Release(1)
					}
				case l.TryAcquireN(n):
					if in := l.InUse(); in < n || in > tokens {
						t.Errorf("%d tokens in use", in)
					}
					l.Release(n)
				}
			}
		})
	}
	wg.Wait()
	l.Line(false)
	if l.InUse() != 0 || !l.TryAcquireN(tokens) {
		t.Errorf("%d tokens in use at the end", l.InUse())
	}
}

func TestLimitAllocs(t *testing.T) {
	l := sched.NewLimit(1)
	mustNotAllocate(t, "TryAcquire and Release", func() { l.TryAcquire(); l.Release(1) })
}

func BenchmarkLimit(b *testing.B) {
	b.Run("try", func(b *testing.B) {
		l := sched.NewLimit(1)
		for b.Loop() {
			l.TryAcquire()
			l.Release(1)
		}
	})
	b.Run("parallel", func(b *testing.B) { // enough tokens for all
		l := sched.NewLimit(1 << 20)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_ = l.TryAcquire()
				l.Release(1)
			}
		})
	})
}
