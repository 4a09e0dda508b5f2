package sched_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/weirgo/weir/sched"
)

func TestPlacementRotation(t *testing.T) {
	p := sched.NewPlacement(3)
	var got []int
	for range 7 {
		got = append(got, p.Pick())
	}
	if want := "[0 1 2 0 1 2 0]"; fmt.Sprint(got) != want {
		t.Errorf("picked %v, want %s", got, want)
	}

	// One at a time: the loads are always equal, and still every loop gets its turn.
	p = sched.NewPlacement(3)
	got = nil
	for range 6 {
		i := p.Pick()
		got = append(got, i)
		p.Leave(i)
	}
	if want := "[0 1 2 0 1 2]"; fmt.Sprint(got) != want {
		t.Errorf("picked %v, want %s", got, want)
	}
}

// Pick is the least loaded, whatever came before, and rotation decides among equals.
func TestPlacementModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for loops := 1; loops <= 7; loops++ {
		p := sched.NewPlacement(loops)
		loads := make([]int64, loops)
		last := loops - 1
		for step := range 500 {
			if i := rng.IntN(loops); rng.IntN(2) == 0 && loads[i] > 0 {
				p.Leave(i)
				loads[i]--
				continue
			}
			want := (last + 1) % loops
			for k := range loops {
				if i := (last + 1 + k) % loops; loads[i] < loads[want] {
					want = i
				}
			}
			if got := p.Pick(); got != want {
				t.Fatalf("loops %d, step %d: Pick = %d, want %d, loads %v", loops, step, got, want, loads)
			}
			loads[want]++
			last = want
		}
		for i, want := range loads {
			if got := p.Load(i); got != want {
				t.Errorf("loops %d: Load(%d) = %d, want %d", loops, i, got, want)
			}
		}
	}
}

func TestPlacementConcurrent(t *testing.T) {
	const loops, goroutines, keep = 4, 8, 250
	p := sched.NewPlacement(loops)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var kept []int
	for range goroutines {
		wg.Go(func() {
			for range keep {
				a, b := p.Pick(), p.Pick()
				p.Leave(a)
				mu.Lock()
				kept = append(kept, b)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	var want [loops]int64
	for _, i := range kept {
		want[i]++
	}
	for i := range loops {
		if got := p.Load(i); got != want[i] {
			t.Errorf("Load(%d) = %d, want %d", i, got, want[i])
		}
	}
	for _, i := range kept {
		p.Leave(i)
	}
	// From empty, concurrent picks alone are balanced to the last handle.
	for range goroutines {
		wg.Go(func() {
			for range keep {
				p.Pick()
			}
		})
	}
	wg.Wait()
	for i := range loops {
		if got := p.Load(i); got != goroutines*keep/loops {
			t.Errorf("Load(%d) = %d, want %d", i, got, goroutines*keep/loops)
		}
	}
}

func TestPlacementMisuse(t *testing.T) {
	mustPanic(t, "at least 1", func() { sched.NewPlacement(0) })
	p := sched.NewPlacement(2)
	mustPanic(t, "Leave(1)", func() { p.Leave(1) })
	p.Leave(p.Pick()) // the panic did not leave the mutex locked
	mustNotAllocate(t, "Pick and Leave", func() { p.Leave(p.Pick()) })
}

func BenchmarkPlacement(b *testing.B) {
	for _, loops := range []int{2, 64} {
		b.Run(fmt.Sprint(loops), func(b *testing.B) {
			p := sched.NewPlacement(loops)
			for b.Loop() {
				p.Leave(p.Pick())
			}
		})
	}
}
